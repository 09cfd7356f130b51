{{/* What every pod has, whatever it runs: no root, no writes, no capabilities, no API token of the cluster. */}}
{{- define "assistance.podSecurity" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "assistance.container" -}}
{{- $image := .Values.image -}}
{{- if $image.digest }}
image: {{ printf "%s@%s" $image.repository $image.digest }}
{{- else }}
image: {{ printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) }}
{{- end }}
imagePullPolicy: {{ $image.pullPolicy }}
command: [assistance]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
envFrom:
  - secretRef:
      name: {{ .Values.existingSecret }}
env:
  - name: ASSISTANCE_CONFIG
    value: /etc/assistance/assistance.yaml
  - name: ASSISTANCE_PUBLIC_URL
    value: {{ .Values.publicUrl | quote }}
  - name: ASSISTANCE_OIDC_ISSUER
    value: {{ .Values.oidc.issuer | quote }}
  - name: ASSISTANCE_OIDC_AUDIENCE
    value: {{ .Values.oidc.audience | quote }}
  {{- if eq .Values.mode "sqlite" }}
  - name: ASSISTANCE_DATABASE_URL
    value: sqlite:////var/lib/assistance/assistance.db
  {{- end }}
  {{- range $name, $value := .Values.env }}
  - name: {{ $name }}
    value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}

{{/*
A serving pod: (dict "root" $ "role" "api"|"dispatcher"|"all" "resources" …).
Grace: 3 s until no balancer sends here any more, then what SIGTERM does (accept 5 s more, sends 15 s, telemetry 2 s), and 10 to spare.
*/}}
{{- define "assistance.servingPod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "assistance.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
  {{- with $root.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "assistance.podSecurity" $root | nindent 2 }}
  serviceAccountName: {{ include "assistance.name" $root }}
  terminationGracePeriodSeconds: 35
  {{- if ne .role "all" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "assistance.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ .role }}
  {{- end }}
  containers:
    - name: assistance
      {{- include "assistance.container" $root | nindent 6 }}
      args: [serve, --host, 0.0.0.0, --port, "8000", --role, {{ .role }}]
      ports:
        - name: http
          containerPort: 8000
      startupProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 3
        timeoutSeconds: 2
        failureThreshold: 1
      lifecycle:
        preStop:
          sleep:
            seconds: 3
      resources: {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        # The whole folder: a single file mounted by subPath would never see a new routing file.
        - name: routing
          mountPath: /etc/assistance
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- if eq .role "all" }}
        - name: data
          mountPath: /var/lib/assistance
        {{- end }}
  volumes:
    - name: routing
      configMap:
        name: {{ include "assistance.configMap" $root }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if eq .role "all" }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ $root.Values.sqlite.existingClaim | default (include "assistance.name" $root) }}
    {{- end }}
{{- end }}
