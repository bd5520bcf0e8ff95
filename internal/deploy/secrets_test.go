package deploy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/deploy"
)

// secretKeys are the keys of a type under which it has something that its own package hides.
func secretKeys(t reflect.Type, seen map[reflect.Type]bool, out map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		secretKeys(t.Elem(), seen, out)
	case reflect.Struct:
		if seen[t] {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			inner := f.Type
			for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map}, inner.Kind()) {
				inner = inner.Elem()
			}
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if strings.Contains(inner.Name(), "Secret") && key != "" && key != "-" {
				out[key] = true
			}
			secretKeys(f.Type, seen, out)
		}
	}
}

// Whatever Alertmanager and Prometheus hide of their own configuration is hidden in differences. What their client has is
// looked up; what Alertmanager's receivers have, and its client for AWS, is listed, since their types bring that cloud's
// libraries along.
func TestDiffHidesWhatServersHide(t *testing.T) {
	keys := map[string]bool{}
	secretKeys(reflect.TypeFor[promconfig.HTTPClientConfig](), map[reflect.Type]bool{}, keys)
	for _, known := range []string{"password", "credentials", "bearer_token", "client_secret", "client_certificate_key", "key", "secrets"} {
		if !keys[known] {
			t.Errorf("%s was not found, only %v", known, keys)
		}
	}
	for key := range strings.FieldsSeq(`access_key alert_source_token api_key api_secret api_url app_token auth_password auth_secret
		bot_token mattermost_webhook_url opsgenie_api_key rocketchat_token rocketchat_token_id routing_key secret_key service_key
		slack_api_url slack_app_token smtp_auth_password smtp_auth_secret telegram_bot_token token token_id url user_key
		victorops_api_key webhook_url wechat_api_secret`) {
		keys[key] = true
	}
	for key := range keys {
		text := "receivers:\n- name: a\n  some_configs:\n  - nested: {" + key + ": " + canary + "}\n    other: 1\n"
		if got := deploy.Diff("alertmanager.yaml", nil, []byte(text)); strings.Contains(got, canary) || !strings.Contains(got, "other: 1") {
			t.Errorf("%s: shown as\n%s", key, got)
		}
	}
	// What is no secret stays to be compared.
	for _, key := range []string{"dedup_key", "monkey", "routing_key_file", "group_key"} {
		if got := deploy.Diff("alertmanager.yaml", nil, []byte("a:\n  "+key+": shown\n")); !strings.Contains(got, "shown") {
			t.Errorf("%s is hidden:\n%s", key, got)
		}
	}
}
