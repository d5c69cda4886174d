module netpath.lab/flannel

go 1.26.4

require github.com/flannel-io/flannel v0.28.9

// The SDK serves one cloud's back end, which the lab never configures.
replace github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common => ./stub/common

replace github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc => ./stub/vpc
