package convert

import (
	"slices"

	"github.com/assayer-io/assayer/internal/strictyaml"
)

// kubeOwn are fields of an object's metadata that only a cluster writes.
func kubeOwn() []string {
	return []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences", "finalizers", "selfLink",
		"deletionTimestamp", "deletionGracePeriodSeconds"}
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// KubeMeta reads the metadata of a Kubernetes object. The namespace, and with object its name, become annotations.
func (it *Item) KubeMeta(n strictyaml.Node, object bool) (labels, annotations map[string]string) {
	it.Fields(n, append(kubeOwn(), "name", "namespace", "labels", "annotations")...)
	labels, annotations = it.Texts(n.At("labels")), it.Texts(n.At("annotations"))
	delete(annotations, lastApplied)
	if ns := n.At("namespace").Text(); ns != "" {
		annotations[importPrefix+"namespace"] = ns
	}
	if name := n.At("name").Text(); object && name != "" {
		annotations[importPrefix+"object"] = name
	}
	return labels, annotations
}

// Labels are those of a document made.
func Labels(texts map[string]string) map[string]any {
	if len(texts) == 0 {
		return nil
	}
	out := map[string]any{}
	for k, v := range texts {
		out[k] = v
	}
	return out
}

// Group adds labels to group by to the annotations of an SLO.
func Group(annotations map[string]string, labels []string) {
	if len(labels) == 0 {
		return
	}
	ind := Indicator{GroupBy: slices.Compact(slices.Sorted(slices.Values(labels)))}
	annotations[groupByKey] = ind.Annotations()[groupByKey]
}
