// Istio's own validation of the VirtualServices and DestinationRules on standard input, as its webhook runs it. Each error and
// warning is a line of the output; status 1 where there is one.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/validation"
)

type object struct {
	Kind     string                           `json:"kind"`
	Metadata struct{ Name, Namespace string } `json:"metadata"`
	Spec     json.RawMessage                  `json:"spec"`
}

// check tells of one object what Istio has against it.
func check(o object) []string {
	meta := config.Meta{Name: o.Metadata.Name, Namespace: o.Metadata.Namespace}
	var spec config.Spec
	var validate func(config.Config) (validation.Warning, error)
	switch o.Kind {
	case "VirtualService":
		meta.GroupVersionKind = gvk.VirtualService
		spec, validate = &networking.VirtualService{}, validation.ValidateVirtualService
	case "DestinationRule":
		meta.GroupVersionKind = gvk.DestinationRule
		spec, validate = &networking.DestinationRule{}, validation.ValidateDestinationRule
	default:
		return []string{"no kind that is looked at: " + o.Kind}
	}
	if err := json.Unmarshal(o.Spec, spec); err != nil {
		return []string{err.Error()}
	}
	var told []string
	warning, err := validate(config.Config{Meta: meta, Spec: spec})
	if err != nil {
		told = append(told, err.Error())
	}
	if warning != nil {
		told = append(told, fmt.Sprint(warning))
	}
	return told
}

func main() {
	status := 0
	for decoder := json.NewDecoder(os.Stdin); ; {
		var o object
		if err := decoder.Decode(&o); err == io.EOF {
			os.Exit(status)
		} else if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, line := range check(o) {
			status = 1
			fmt.Printf("%s %s: %s\n", o.Kind, o.Metadata.Name, line)
		}
	}
}
