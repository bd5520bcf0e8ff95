// Command slothrules turns sloth's own objectives, read from standard input, into the Prometheus
// rules that sloth generates for them, written to standard output:
//
//	go -C internal/testkit/slothrules run . <spec.yaml >rules.yaml
//
// It is a module of its own because sloth drags in a good part of Kubernetes. The version of sloth is
// the one in its go.mod.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/slok/sloth/pkg/lib"
)

func main() {
	if err := generate(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "slothrules:", err)
		os.Exit(1)
	}
}

func generate(ctx context.Context, r io.Reader, w io.Writer) error {
	spec, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	generator, err := lib.NewPrometheusSLOGenerator(lib.PrometheusSLOGeneratorConfig{})
	if err != nil {
		return err
	}
	result, err := generator.GenerateFromRaw(ctx, spec)
	if err != nil {
		return err
	}
	return generator.WriteResultAsPrometheusStd(ctx, *result, w)
}
