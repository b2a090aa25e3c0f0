// Others' kinds with a Pod template: their CRDs are in these modules, and nothing of them is compiled.
module frplab/kinds

go 1.26.0

require (
	github.com/argoproj/argo-rollouts v1.8.3
	knative.dev/serving v0.45.0
	sigs.k8s.io/jobset v0.8.2
)
