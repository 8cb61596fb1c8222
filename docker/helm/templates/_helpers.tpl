{{- define "autodenoise.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "autodenoise.labels" -}}
app.kubernetes.io/name: autodenoise
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "autodenoise.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "autodenoise.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "autodenoise.name" .) }}
{{- end }}

{{/* What servers and workers have in common: who they are, what they may, and where they are stopped. */}}
{{- define "autodenoise.pod" -}}
serviceAccountName: {{ include "autodenoise.serviceAccount" . }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "autodenoise.container" -}}
image: {{ include "autodenoise.image" .Values.image }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
# A start that migrates a large database takes longer than a pod that hangs may.
startupProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
  timeoutSeconds: 5
{{- if .Values.secrets.objectStore }}
envFrom:
  - secretRef: {name: {{ .Values.secrets.objectStore }}}
{{- end }}
{{- end }}

{{- define "autodenoise.environment" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ .Values.secrets.database }}, key: url}
- name: AUTODENOISE_SIGNING_KEY
  value: /run/secrets/signing/signing.key
- name: AUTODENOISE_OBJECT_STORE
  value: {{ .Values.objectStore.url | quote }}
- name: AWS_REGION
  value: {{ .Values.objectStore.region | quote }}
{{- with .Values.objectStore.endpoint }}
- name: AWS_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if .Values.objectStore.allowHttp }}
- name: AWS_ALLOW_HTTP
  value: "true"
{{- end }}
- name: AUTODENOISE_DRAIN_SECONDS
  value: {{ .Values.drainSeconds | quote }}
{{- end }}
