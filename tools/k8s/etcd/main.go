// Command etcd is the real etcd server. It is a module of its own so that its dependencies cannot
// disagree with those of Kubernetes.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
