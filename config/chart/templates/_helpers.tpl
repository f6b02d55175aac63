{{- define "exactmatch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object: short enough for the names behind it. */}}
{{- define "exactmatch.fullname" -}}
{{- $name := include "exactmatch.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels by which objects of a component are selected: (list . "manager"). */}}
{{- define "exactmatch.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "exactmatch.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "exactmatch.labels" -}}
app.kubernetes.io/name: {{ include "exactmatch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of an object of a component: (list . "manager"). */}}
{{- define "exactmatch.componentLabels" -}}
{{ include "exactmatch.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of pods of a component; no version, so that they restart only where something changes. */}}
{{- define "exactmatch.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "exactmatch.selector" (list $root (index . 1)) }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exactmatch.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "exactmatch.serviceHost" -}}
{{ include "exactmatch.fullname" . }}-service.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* The Secret of the service's certificate, which the manager or cert-manager makes. */}}
{{- define "exactmatch.tlsSecret" -}}
{{ include "exactmatch.fullname" . }}-service-tls
{{- end -}}

{{- define "exactmatch.metricsTokenSecret" -}}
{{ .Values.service.metrics.tokenSecret | default (printf "%s-service-metrics" (include "exactmatch.fullname" .)) }}
{{- end -}}

{{- define "exactmatch.keepsCertificate" -}}
{{- if and .Values.service.enabled (not .Values.certManager.enabled) }}true{{ end -}}
{{- end -}}

{{/* Whether the manager serves metrics: not where it has Roles alone. */}}
{{- define "exactmatch.managerMetrics" -}}
{{- if not .Values.manager.namespaces }}true{{ end -}}
{{- end -}}

{{/* The namespaces with a Role of the manager: those that it works in, and its own. */}}
{{- define "exactmatch.roleNamespaces" -}}
{{ append .Values.manager.namespaces .Release.Namespace | uniq | toJson }}
{{- end -}}

{{/* The rules of a role of config/rbac, by its name. */}}
{{- define "exactmatch.rules" -}}
{{- $role := get ((index . 0).Files.Get "files/roles.yaml" | fromYaml) (index . 1) -}}
{{- if not $role }}{{ fail (printf "files/roles.yaml has no role %s" (index . 1)) }}{{ end -}}
{{ toYaml $role.rules }}
{{- end -}}

{{- define "exactmatch.managerSubject" -}}
- kind: ServiceAccount
  name: {{ include "exactmatch.fullname" . }}-manager
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "exactmatch.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What a pod has from the values of its component: (list . .Values.manager). */}}
{{- define "exactmatch.scheduling" -}}
{{- $values := index . 1 -}}
{{- with (index . 0).Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of pods that write the service's volumes. */}}
{{- define "exactmatch.dataSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
