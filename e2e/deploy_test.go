//go:build e2e

package e2e

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is what this test reads of a Kubernetes object.
type manifest struct {
	Kind                         string            `yaml:"kind"`
	AutomountServiceAccountToken *bool             `yaml:"automountServiceAccountToken"`
	Data                         map[string]string `yaml:"data"`
	Spec                         struct {
		Template struct {
			Spec struct {
				AutomountServiceAccountToken *bool             `yaml:"automountServiceAccountToken"`
				HostNetwork                  bool              `yaml:"hostNetwork"`
				HostPID                      bool              `yaml:"hostPID"`
				SecurityContext              securityContext   `yaml:"securityContext"`
				Containers                   []containerConfig `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type securityContext struct {
	RunAsNonRoot   bool `yaml:"runAsNonRoot"`
	RunAsUser      int  `yaml:"runAsUser"`
	SeccompProfile struct {
		Type string `yaml:"type"`
	} `yaml:"seccompProfile"`
	AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
	ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
	Privileged               bool  `yaml:"privileged"`
	Capabilities             struct {
		Add  []string `yaml:"add"`
		Drop []string `yaml:"drop"`
	} `yaml:"capabilities"`
}

type containerConfig struct {
	Args            []string        `yaml:"args"`
	SecurityContext securityContext `yaml:"securityContext"`
	LivenessProbe   probe           `yaml:"livenessProbe"`
	ReadinessProbe  probe           `yaml:"readinessProbe"`
	Resources       struct {
		Limits map[string]string `yaml:"limits"`
	} `yaml:"resources"`
}

type probe struct {
	HTTPGet struct {
		Path string `yaml:"path"`
	} `yaml:"httpGet"`
}

func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	f, err := os.Open("../deploy/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]manifest{}
	for decoder := yaml.NewDecoder(f); ; {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[m.Kind] = m
	}
}

// TestDaemonSetIsUnprivileged holds the manifest to what a payment system's cluster demands.
func TestDaemonSetIsUnprivileged(t *testing.T) {
	all := manifests(t)
	pod := all["DaemonSet"].Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("the pod has %d containers, want 1", len(pod.Containers))
	}
	c := pod.Containers[0]
	isFalse := func(b *bool) bool { return b != nil && !*b }
	for what, ok := range map[string]bool{
		"the service account mounts no token": isFalse(all["ServiceAccount"].AutomountServiceAccountToken),
		"the pod mounts no token":             isFalse(pod.AutomountServiceAccountToken),
		"the pod shares nothing of the host":  !pod.HostNetwork && !pod.HostPID,
		"the user is not root":                pod.SecurityContext.RunAsNonRoot && pod.SecurityContext.RunAsUser > 0,
		"the user is the image's":             strings.Contains(string(readFile(t, "../Dockerfile")), "USER 65532:65532\n") && pod.SecurityContext.RunAsUser == 65532,
		"system calls are filtered":           pod.SecurityContext.SeccompProfile.Type == "RuntimeDefault",
		"it cannot gain rights":               isFalse(c.SecurityContext.AllowPrivilegeEscalation) && !c.SecurityContext.Privileged,
		"the root file system is read-only":   c.SecurityContext.ReadOnlyRootFilesystem,
		"all capabilities are dropped":        slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) && c.SecurityContext.Capabilities.Add == nil,
		"memory and CPU are limited":          c.Resources.Limits["memory"] != "" && c.Resources.Limits["cpu"] != "",
		"it listens on the pod's address":     slices.Contains(c.Args, "--web.listen-address=[$(POD_IP)]:9797"),
		"liveness is probed":                  c.LivenessProbe.HTTPGet.Path == "/-/healthy",
		"readiness is probed":                 c.ReadinessProbe.HTTPGet.Path == "/-/ready",
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
}

// TestDaemonSetConfigurationIsClean runs the config map through `assayer check`.
func TestDaemonSetConfigurationIsClean(t *testing.T) {
	dir := t.TempDir()
	data := manifests(t)["ConfigMap"].Data
	if len(data) < 2 {
		t.Fatalf("the config map has %d files, want the agent's and the objectives", len(data))
	}
	for name, text := range data {
		// /var/lib/assayer is the pod's; here its place is the test's.
		write(t, filepath.Join(dir, name), strings.ReplaceAll(text, "/var/lib/assayer", filepath.Join(dir, "data")))
	}
	check(t, filepath.Join(dir, "assayer.yaml"))
}
