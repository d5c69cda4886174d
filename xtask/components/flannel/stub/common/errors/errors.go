// Package errors stands in for the cloud SDK of a back end that the lab never configures.
package errors

// TencentCloudSDKError says that the back end is not part of this build.
type TencentCloudSDKError struct{}

func (*TencentCloudSDKError) Error() string {
	return "the tencent-vpc back end is not part of this build"
}
