package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assayer-io/assayer/internal/app"
)

// TestAWrongIntervalIsToldOnce: jobs and objectives without an interval of their own are not wrong for
// the global one's sake.
func TestAWrongIntervalIsToldOnce(t *testing.T) {
	for _, interval := range []string{"-1s", "0s"} {
		path := filepath.Join(t.TempDir(), "assayer.yaml")
		text := "global: {scrape_interval: " + interval + "}\ncollectors: {prometheus: {scrape_configs: [{job_name: a}, {job_name: b}, {scheme: ftp}]}}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		allowed := map[string]string{"-1s": "a duration such as 15s, 5m or 30d", "0s": "a duration above 0"}[interval]
		want := path + `:1:27: error: global.scrape_interval: got "` + interval + `", allowed: ` + allowed + "\n" +
			path + ":2:74: error: collectors.prometheus.scrape_configs[2].job_name: has no value, allowed: a name\n" +
			path + `:2:83: error: collectors.prometheus.scrape_configs[2].scheme: got "ftp", allowed: http, https`
		if _, problems := app.Load(app.LoadOptions{Path: path}); problems.Error() != want {
			t.Errorf("got\n%v\nwant\n%s", problems, want)
		}
	}
}
