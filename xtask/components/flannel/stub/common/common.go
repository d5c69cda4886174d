// Package common stands in for the cloud SDK of a back end that the lab never configures: only
// what flannel's tencent-vpc back end mentions, so that it compiles.
package common

// StringPtr returns the address of a copy.
func StringPtr(text string) *string { return &text }

// BoolPtr returns the address of a copy.
func BoolPtr(flag bool) *bool { return &flag }

// StringPtrs returns the addresses of the elements.
func StringPtrs(texts []string) []*string {
	addresses := make([]*string, 0, len(texts))
	for i := range texts {
		addresses = append(addresses, &texts[i])
	}
	return addresses
}
