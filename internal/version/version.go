// Package version says which build of the agent this is: the release it was made from and the
// commit behind it, as `assayer version` and the metric assayer_build_info show them.
//
//	assayer 0.1.0 (revision 3f2a9c81d0e4, go1.26.8)
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is the release. The linker sets it (-X …/internal/version.Version=0.1.0); a plain
// `go build` leaves it at "devel".
var Version = "devel"

// Revision is the commit the binary was built from, "-dirty" appended when the checkout had
// changes, or "unknown" when the toolchain recorded none.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return revision(info.Settings)
}

// String is the one-line form shown above.
func String() string {
	return fmt.Sprintf("assayer %s (revision %s, %s)", Version, Revision(), runtime.Version())
}

func revision(settings []debug.BuildSetting) string {
	commit, dirty := "", false
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if commit == "" {
		return "unknown"
	}
	if len(commit) > 12 {
		commit = commit[:12]
	}
	if dirty {
		commit += "-dirty"
	}
	return commit
}
