// Others’ kinds (with a Pod template, with a Service as their backend, of monitoring): their CRDs are in these modules, and nothing of them is compiled.
module frplab/kinds

go 1.26.0

require (
	github.com/argoproj/argo-rollouts v1.8.3
	github.com/prometheus-operator/prometheus-operator v0.79.2
	istio.io/api v1.31.0-rc.0.0.20260824154656-b943409680a7
	knative.dev/serving v0.45.0
	sigs.k8s.io/gateway-api v1.4.0
	sigs.k8s.io/jobset v0.8.2
)
