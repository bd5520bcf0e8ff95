package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestRevision(t *testing.T) {
	setting := func(k, v string) debug.BuildSetting { return debug.BuildSetting{Key: k, Value: v} }
	const commit = "3f2a9c81d0e4aa17b1c2d3e4f5a6b7c8d9e0f1a2"
	for name, tc := range map[string]struct {
		settings []debug.BuildSetting
		want     string
	}{
		"not recorded":   {nil, "unknown"},
		"clean":          {[]debug.BuildSetting{setting("vcs.revision", commit), setting("vcs.modified", "false")}, "3f2a9c81d0e4"},
		"with changes":   {[]debug.BuildSetting{setting("vcs.modified", "true"), setting("vcs.revision", commit)}, "3f2a9c81d0e4-dirty"},
		"only a dirty":   {[]debug.BuildSetting{setting("vcs.modified", "true")}, "unknown"},
		"short revision": {[]debug.BuildSetting{setting("vcs.revision", "abc")}, "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := revision(tc.settings); got != tc.want {
				t.Errorf("revision is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestStringNamesVersionRevisionAndToolchain(t *testing.T) {
	want := "assayer devel (revision " + Revision() + ", " + runtime.Version() + ")"
	if got := String(); got != want {
		t.Errorf("String() is %q, want %q", got, want)
	}
}
