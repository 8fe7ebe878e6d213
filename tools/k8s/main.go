// Command k8s is one binary that is, by its first argument, a real kube-apiserver, a real
// kube-controller-manager or a real kubectl. The three share nearly all of their packages, so one
// binary costs one link and a third of the disk. The end-to-end tests start it, and so can people.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	// Each verb must see itself as argv[0], or its flags and help would carry the verb.
	if len(os.Args) < 2 {
		usage()
	}
	verb := os.Args[1]
	os.Args = append([]string{filepath.Join(filepath.Dir(os.Args[0]), verb)}, os.Args[2:]...)
	switch verb {
	case "apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kcm":
		os.Exit(cli.Run(kcm.NewControllerManagerCommand()))
	case "kubectl":
		command := cmd.NewDefaultKubectlCommand()
		if err := cli.RunNoErrOutput(command); err != nil {
			util.CheckErr(err)
		}
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: k8s apiserver|kcm|kubectl [arguments]")
	os.Exit(2)
}
