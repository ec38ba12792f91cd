{{- define "prospect.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters, so that what is appended to it still fits a label. */}}
{{- define "prospect.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "prospect.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What never changes over the life of a release: selectors are made of it. */}}
{{- define "prospect.selectorLabels" -}}
app.kubernetes.io/name: {{ include "prospect.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "prospect.labels" -}}
{{ include "prospect.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: prospect
helm.sh/chart: {{ include "prospect.chart" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of pods: without versions, so that an upgrade which changes nothing else restarts nothing. */}}
{{- define "prospect.podLabels" -}}
{{ include "prospect.selectorLabels" . }}
app.kubernetes.io/part-of: prospect
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prospect.coordinator" -}}
{{- printf "%s-coordinator" (include "prospect.fullname" .) }}
{{- end }}

{{- define "prospect.workers" -}}
{{- printf "%s-workers" (include "prospect.fullname" .) }}
{{- end }}

{{/* The domain that certificates name their holders in: coordinator, worker.…, submit.…, read.… */}}
{{- define "prospect.domain" -}}
{{- printf "%s.%s.svc" (include "prospect.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "prospect.coordinatorServiceAccount" -}}
{{- default (ternary (include "prospect.coordinator" .) "default" .Values.serviceAccounts.coordinator.create) .Values.serviceAccounts.coordinator.name }}
{{- end }}

{{- define "prospect.workerServiceAccount" -}}
{{- default (ternary (include "prospect.workers" .) "default" .Values.serviceAccounts.worker.create) .Values.serviceAccounts.worker.name }}
{{- end }}

{{- define "prospect.coordinatorImage" -}}
{{- $image := .Values.images.coordinator }}
{{- include "prospect.image" (dict "image" $image "tag" (default .Chart.AppVersion $image.tag)) }}
{{- end }}

{{- define "prospect.workerImage" -}}
{{- $image := .Values.images.worker }}
{{- $device := ternary "cuda" "cpu" (gt (int .Values.workers.gpusPerNode) 0) }}
{{- include "prospect.image" (dict "image" $image "tag" (default (printf "%s-%s" .Chart.AppVersion $device) $image.tag)) }}
{{- end }}

{{- define "prospect.image" -}}
{{- if .image.digest }}
{{- printf "%s@%s" .image.repository .image.digest }}
{{- else }}
{{- printf "%s:%s" .image.repository .tag }}
{{- end }}
{{- end }}

{{- define "prospect.sharedClaim" -}}
{{- default (printf "%s-shared" (include "prospect.fullname" .)) .Values.sharedStorage.existingClaim }}
{{- end }}
