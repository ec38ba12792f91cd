{{/* Requests and limits with GPUs added. Takes resources, gpus and root. */}}
{{- define "prospect.workerResources" -}}
{{- $resources := deepCopy .resources }}
{{- if gt (int .gpus) 0 }}
{{- $gpus := dict .root.Values.workers.gpuResource (int .gpus) }}
{{- range list "requests" "limits" }}
{{- $_ := set $resources . (merge (dict) $gpus (default (dict) (get $resources .))) }}
{{- end }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- define "prospect.workerEnv" -}}
- name: PROSPECT_LOG_LEVEL
  value: {{ .Values.coordinator.logLevel }}
{{- with .Values.workers.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prospect.workerMounts" -}}
- name: run
  mountPath: /run/prospect
- name: cache
  mountPath: /opt/prospect/cache/reference
- name: shared
  mountPath: {{ .Values.sharedStorage.mountPath }}
- name: tmp
  mountPath: /tmp
- name: shm
  mountPath: /dev/shm
{{- with .Values.workers.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The pod of one node of a run. The coordinator makes an Indexed Job of it: it adds the run's labels, the affinity that
spreads a run's pods over nodes, and in front of each container's environment PROSPECT_RUN_ID,
PROSPECT_WORKERS_PER_NODE and PROSPECT_THREADS; it sets the GPUs that the run asks for, and leaves out the replica where
a run has no use for it. An admin may change all else.
*/}}
{{- define "prospect.podTemplate" -}}
{{- $gpusPerNode := int .Values.workers.gpusPerNode }}
{{- $replicaGpus := ternary 1 0 (and (gt $gpusPerNode 0) (eq .Values.workers.reference.mode "dedicated")) -}}
apiVersion: v1
kind: PodTemplate
metadata:
  name: {{ include "prospect.workers" . }}
template:
  metadata:
    labels:
      {{- with .Values.workers.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- include "prospect.podLabels" . | nindent 6 }}
      app.kubernetes.io/component: worker
    annotations:
      kubectl.kubernetes.io/default-container: supervisor
      {{- with .Values.workers.podAnnotations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  spec:
    restartPolicy: Never
    subdomain: {{ include "prospect.workers" . }}
    serviceAccountName: {{ include "prospect.workerServiceAccount" . }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    terminationGracePeriodSeconds: {{ .Values.workers.terminationGracePeriodSeconds }}
    securityContext:
      {{- include "prospect.podSecurityContext" . | nindent 6 }}
    {{- with .Values.imagePullSecrets }}
    imagePullSecrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.workers.runtimeClassName }}
    runtimeClassName: {{ . }}
    {{- end }}
    {{- with .Values.workers.priorityClassName }}
    priorityClassName: {{ . }}
    {{- end }}
    {{- with .Values.workers.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    tolerations:
      # A node that is gone is given up soon: the run goes on with the others.
      - key: node.kubernetes.io/not-ready
        operator: Exists
        effect: NoExecute
        tolerationSeconds: 30
      - key: node.kubernetes.io/unreachable
        operator: Exists
        effect: NoExecute
        tolerationSeconds: 30
      {{- if $gpusPerNode }}
      - key: {{ .Values.workers.gpuResource }}
        operator: Exists
        effect: NoSchedule
      {{- end }}
      {{- with .Values.workers.tolerations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.workers.affinity }}
    affinity:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    initContainers:
      # A sidecar: it starts before the workers, restarts alone, and ends after them.
      - name: reference
        restartPolicy: Always
        image: {{ include "prospect.workerImage" . }}
        imagePullPolicy: {{ .Values.images.worker.pullPolicy }}
        args:
          - dist/worker/reference/main.js
          - --follow=/run/prospect/reference.json
          - --socket=/run/prospect/reference.sock
          - --threads=$(PROSPECT_THREADS)
        env:
          {{- include "prospect.workerEnv" . | nindent 10 }}
        startupProbe:
          exec:
            command: [test, -S, /run/prospect/reference.sock]
          periodSeconds: 1
          failureThreshold: 120
        resources:
          {{- include "prospect.workerResources" (dict "resources" .Values.workers.reference.resources "gpus" $replicaGpus "root" .) | nindent 10 }}
        securityContext:
          {{- include "prospect.securityContext" . | nindent 10 }}
        volumeMounts:
          {{- include "prospect.workerMounts" . | nindent 10 }}
    containers:
      - name: supervisor
        image: {{ include "prospect.workerImage" . }}
        imagePullPolicy: {{ .Values.images.worker.pullPolicy }}
        # The coordinator reads there what a pod that failed has said last.
        terminationMessagePolicy: FallbackToLogsOnError
        args:
          - dist/worker/supervisor.js
          - --coordinator={{ include "prospect.coordinator" . }}.{{ .Release.Namespace }}.svc:7070
          - --run-id=$(PROSPECT_RUN_ID)
          - --node=$(JOB_COMPLETION_INDEX)
          - --workers=$(PROSPECT_WORKERS_PER_NODE)
          - --threads=$(PROSPECT_THREADS)
          - --listen-host=$(POD_IP)
          - --reference-socket=/run/prospect/reference.sock
          - --reference-follow=/run/prospect/reference.json
          - --metrics-listen=0.0.0.0:9464
          {{- if include "prospect.tlsEnabled" . }}
          {{- include "prospect.tlsArgs" . | nindent 10 }}
          {{- end }}
        env:
          - name: POD_IP
            valueFrom:
              fieldRef:
                fieldPath: status.podIP
          {{- if not (include "prospect.tlsEnabled" .) }}
          - name: PROSPECT_ALLOW_PLAINTEXT
            value: 'true'
          {{- end }}
          {{- include "prospect.workerEnv" . | nindent 10 }}
        ports:
          - name: metrics
            containerPort: 9464
        readinessProbe:
          httpGet:
            path: /readyz
            port: metrics
          periodSeconds: 5
        resources:
          {{- include "prospect.workerResources" (dict "resources" .Values.workers.resources "gpus" (sub $gpusPerNode $replicaGpus) "root" .) | nindent 10 }}
        securityContext:
          {{- include "prospect.securityContext" . | nindent 10 }}
        volumeMounts:
          {{- include "prospect.workerMounts" . | nindent 10 }}
          {{- if include "prospect.tlsEnabled" . }}
          - name: tls
            mountPath: /etc/prospect/tls
            readOnly: true
          {{- end }}
    volumes:
      - name: run
        emptyDir:
          medium: Memory
          sizeLimit: 16Mi
      - name: cache
        emptyDir:
          sizeLimit: {{ .Values.workers.cacheSize }}
      - name: tmp
        emptyDir: {}
      - name: shm
        emptyDir:
          medium: Memory
          sizeLimit: {{ .Values.workers.sharedMemorySize }}
      - name: shared
        persistentVolumeClaim:
          claimName: {{ include "prospect.sharedClaim" . }}
      {{- if include "prospect.tlsEnabled" . }}
      - name: tls
        secret:
          secretName: {{ include "prospect.workerTlsSecret" . }}
          defaultMode: 0440
      {{- end }}
      {{- with .Values.workers.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end }}
