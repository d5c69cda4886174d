// Package v20170312 stands in for the cloud SDK of a back end that the lab never configures: its
// types have the fields that flannel mentions, and every call fails with the same clear error.
package v20170312

import (
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
)

// Client refuses every call.
type Client struct{}

// NewClientWithSecretId returns a client that refuses every call.
func NewClientWithSecretId(_, _, _ string) (*Client, error) {
	return &Client{}, nil
}

// Filter selects routing tables.
type Filter struct {
	Name   *string
	Values []*string
}

// Route is one entry of a routing table.
type Route struct {
	DestinationCidrBlock, GatewayType, GatewayId, RouteType *string
	Enabled                                                 *bool
	RouteId                                                 *uint64
}

// RouteTable is one routing table.
type RouteTable struct {
	RouteTableId *string
	RouteSet     []*Route
}

// RouteChange names routes of one table, to be created or deleted.
type RouteChange struct {
	RouteTableId *string
	Routes       []*Route
}

// DescribeRouteTablesRequest asks for routing tables.
type DescribeRouteTablesRequest struct {
	Filters []*Filter
}

// DescribeRouteTablesResponse never arrives.
type DescribeRouteTablesResponse struct {
	Response struct{ RouteTableSet []*RouteTable }
}

// NewDescribeRouteTablesRequest returns an empty request.
func NewDescribeRouteTablesRequest() *DescribeRouteTablesRequest {
	return &DescribeRouteTablesRequest{}
}

// NewDeleteRoutesRequest returns an empty request.
func NewDeleteRoutesRequest() *RouteChange { return &RouteChange{} }

// NewCreateRoutesRequest returns an empty request.
func NewCreateRoutesRequest() *RouteChange { return &RouteChange{} }

// DescribeRouteTables fails.
func (*Client) DescribeRouteTables(*DescribeRouteTablesRequest) (*DescribeRouteTablesResponse, error) {
	return nil, &errors.TencentCloudSDKError{}
}

// DeleteRoutes fails.
func (*Client) DeleteRoutes(*RouteChange) (*RouteChange, error) {
	return nil, &errors.TencentCloudSDKError{}
}

// CreateRoutes fails.
func (*Client) CreateRoutes(*RouteChange) (*RouteChange, error) {
	return nil, &errors.TencentCloudSDKError{}
}
