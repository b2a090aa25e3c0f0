{{/* An image by its digest where there is one, else by its tag. */}}
{{- define "frp-k8s.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end -}}
{{- end -}}

{{- define "frp-k8s.priorityClass" -}}
{{ .Values.priorityClass.name | default "frp-k8s" }}
{{- end -}}

{{/* The configuration of all parts: what .Values.config says, and what follows from the other values. */}}
{{- define "frp-k8s.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "namespace" .Release.Namespace -}}
{{- $_ := set $config "serviceName" "frp-webhook" -}}
{{- if not (hasKey $config "frps") -}}
{{- $server := printf "frp-server.%s.svc" .Release.Namespace -}}
{{- $api := dict "url" (printf "http://%s:7500" $server) -}}
{{- $_ := set $config "frps" (dict "address" $server "port" 7000 "api" $api "maxPoolCount" 100 "reservedPorts" (list 80 443 7000 7500 8080 8443)) -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
{{- $gateway := get $config "gateway" | default dict -}}
{{- if not (hasKey $gateway "addresses") -}}
{{- $addresses := list -}}
{{- range $ordinal := until (int .Values.gateway.replicas) -}}
{{- $addresses = append $addresses (printf "frp-gateway-%d.frp-gateway.%s.svc" $ordinal $.Values.gateway.namespace) -}}
{{- end -}}
{{- $_ := set $gateway "addresses" $addresses -}}
{{- end -}}
{{- if and (ne .Values.gateway.namespace "frp-gateway") (not (hasKey $gateway "namespace")) -}}
{{- $_ := set $gateway "namespace" .Values.gateway.namespace -}}
{{- end -}}
{{- $_ := set $config "gateway" $gateway -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}

{{/* What the containers of the gateway read: files of ConfigMap frp-gateway-config. */}}
{{- define "frp-gateway.files" -}}
config.yaml: |
  {{- include "frp-k8s.config" . | nindent 2 }}
{{- range $name := list "frps.toml" "drain.sh" "supervise.sh" "haproxy-program.sh" }}
{{ $name }}: |
  {{- $.Files.Get (printf "files/gateway/%s" $name) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Ports that sidecars dial, by the configuration: of the gateway, of the plain frp server, and of addresses with a port of their own. */}}
{{- define "frp-k8s.tunnelPorts" -}}
{{- $gateway := .Values.config.gateway | default dict -}}
{{- $server := .Values.config.frps | default dict -}}
{{- $ports := list (int (get $gateway "tunnelPort" | default 7000)) (int (get $server "port" | default 7000)) -}}
{{- range $address := get $gateway "addresses" | default list -}}
{{- with regexFind ":[0-9]+$" $address -}}
{{- $ports = append $ports (int (trimPrefix ":" .)) -}}
{{- end -}}
{{- end -}}
{{- range $port := uniq $ports }}
- protocol: TCP
  port: {{ $port }}
{{- end }}
{{- end -}}
