// Command assayer keeps service-level objectives of systems that move money. See `assayer help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/assayer-io/assayer/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends what does not end by itself
	code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
