{{/* Pod Security "restricted". */}}
{{- define "prospect.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "prospect.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "prospect.tlsEnabled" -}}
{{- if ne .Values.tls.mode "none" }}true{{ end }}
{{- end }}

{{- define "prospect.coordinatorTlsSecret" -}}
{{- default (printf "%s-coordinator-tls" (include "prospect.fullname" .)) .Values.tls.existingSecrets.coordinator }}
{{- end }}

{{- define "prospect.workerTlsSecret" -}}
{{- default (printf "%s-worker-tls" (include "prospect.fullname" .)) .Values.tls.existingSecrets.worker }}
{{- end }}

{{- define "prospect.submitTlsSecret" -}}
{{- printf "%s-submit-tls" (include "prospect.fullname" .) }}
{{- end }}

{{- define "prospect.tokensSecret" -}}
{{- default (printf "%s-tokens" (include "prospect.fullname" .)) .Values.tokens.existingSecret }}
{{- end }}

{{/* Names that the coordinator is called by: as itself, through the Service for people, and through a port-forward. */}}
{{- define "prospect.coordinatorDnsNames" -}}
{{- range list (include "prospect.coordinator" .) (include "prospect.fullname" .) }}
- {{ . }}
- {{ . }}.{{ $.Release.Namespace }}
- {{ . }}.{{ $.Release.Namespace }}.svc
- {{ . }}.{{ $.Release.Namespace }}.svc.cluster.local
{{- end }}
- localhost
{{- end }}

{{/* Flags of a process that speaks mutual TLS, whose Secret is mounted at /etc/prospect/tls. */}}
{{- define "prospect.tlsArgs" -}}
- --tls-ca=/etc/prospect/tls/ca.crt
- --tls-cert=/etc/prospect/tls/tls.crt
- --tls-key=/etc/prospect/tls/tls.key
{{- end }}

{{/* What coordinator and workers may reach anywhere: names, and the ports of the outside world. */}}
{{- define "prospect.egressRules" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- with .Values.networkPolicy.egressPorts }}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}
