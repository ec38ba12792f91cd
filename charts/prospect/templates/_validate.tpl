{{/* What the schema cannot say in words that help. */}}
{{- define "prospect.validate" -}}
{{- $tls := .Values.tls }}
{{- if and (eq $tls.mode "cert-manager") (not $tls.certManager.issuerRef.name) }}
{{- fail "tls.mode is cert-manager: name the issuer in tls.certManager.issuerRef.name" }}
{{- end }}
{{- if and (eq $tls.mode "existing-secret") (not (and $tls.existingSecrets.coordinator $tls.existingSecrets.worker)) }}
{{- fail "tls.mode is existing-secret: name the Secrets in tls.existingSecrets.coordinator and tls.existingSecrets.worker" }}
{{- end }}
{{- if and (ne $tls.mode "existing-secret") (or $tls.existingSecrets.coordinator $tls.existingSecrets.worker) }}
{{- fail (printf "tls.existingSecrets are set, but tls.mode is %s: set it to existing-secret" $tls.mode) }}
{{- end }}
{{- if and (eq $tls.mode "none") .Values.tokens.existingSecret }}
{{- fail "tls.mode is none: tokens would travel in the clear; choose another mode, or leave tokens.existingSecret empty" }}
{{- end }}
{{- if and (eq .Values.launcher "process") (ne .Values.queueing.mode "none") }}
{{- fail (printf "launcher is process: it makes no Jobs that %s could queue; set queueing.mode to none" .Values.queueing.mode) }}
{{- end }}
{{- if and (ne .Values.queueing.mode "none") (not .Values.queueing.queue) }}
{{- fail (printf "queueing.mode is %s: name the queue in queueing.queue" .Values.queueing.mode) }}
{{- end }}
{{- if and (eq .Values.queueing.mode "none") .Values.queueing.queue }}
{{- fail "queueing.queue is set, but queueing.mode is none: set it to kueue or volcano" }}
{{- end }}
{{- if and (eq .Values.launcher "kubernetes") (eq .Values.workers.reference.mode "dedicated") (eq (int .Values.workers.gpusPerNode) 1) }}
{{- fail "workers.gpusPerNode is 1, and workers.reference.mode dedicated would take that one: set the mode to shared" }}
{{- end }}
{{- end }}
