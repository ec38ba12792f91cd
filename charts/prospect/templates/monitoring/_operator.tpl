{{/*
"true" where the object of this kind is to be made. Fails where it must be and cannot. Takes kind and root.
*/}}
{{- define "prospect.operatorKind" -}}
{{- $mode := .root.Values.monitoring.operator }}
{{- $known := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) }}
{{- if and (eq $mode "enabled") (not $known) }}
{{- fail (printf "monitoring.operator is enabled, but this cluster does not know monitoring.coreos.com/v1 %s: install the Prometheus operator's CRDs, or set monitoring.operator to auto or disabled" .kind) }}
{{- end }}
{{- if and $known (ne $mode "disabled") }}true{{ end }}
{{- end }}

{{- define "prospect.monitoringLabels" -}}
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What tells this release's metrics from another's: rules and dashboard select by it. */}}
{{- define "prospect.relabelings" -}}
- targetLabel: prospect_release
  replacement: {{ include "prospect.fullname" . }}
{{- end }}
