// Command assayer keeps service-level objectives of systems that move money. See `assayer help`.
package main

import (
	"context"
	"os"

	"github.com/assayer-io/assayer/internal/cli"
)

func main() {
	ctx, stop := cli.UntilSignal(context.Background())
	code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
