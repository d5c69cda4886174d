module netpath.lab/cni

go 1.26.4

require github.com/containernetworking/plugins v1.9.1
