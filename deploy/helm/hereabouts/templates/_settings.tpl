{{- /* The environment of a node: what of the settings the chart itself decides. The rest is in hereabouts.toml. */}}
{{- define "hereabouts.settings" -}}
- name: HEREABOUTS_CONFIG
  value: /etc/hereabouts/hereabouts.toml
- name: HEREABOUTS_SERVER__NODE
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: HEREABOUTS_SERVER__HOST
  value: "0.0.0.0"
- name: HEREABOUTS_SERVER__PORT
  value: "8765"
- name: HEREABOUTS_SERVER__INTERNAL_HOST
  value: "0.0.0.0"
- name: HEREABOUTS_SERVER__INTERNAL_PORT
  value: "8766"
- name: HEREABOUTS_SERVER__DRAIN_SECONDS
  value: {{ .Values.drainSeconds | quote }}
{{- with .Values.publicUrl }}
- name: HEREABOUTS_SERVER__PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.allowedOrigins }}
- name: HEREABOUTS_SERVER__ALLOWED_ORIGINS
  value: {{ . | toJson | quote }}
{{- end }}
{{- with .Values.trustedProxies }}
- name: HEREABOUTS_SERVER__TRUSTED_PROXIES
  value: {{ . | toJson | quote }}
{{- end }}
- name: HEREABOUTS_AUTH__SECRET_FILE
  value: /run/secrets/hereabouts/auth-secret
{{- if .Values.backend.urlFromSecret }}
- name: HEREABOUTS_BACKEND__URL_FILE
  value: /run/secrets/hereabouts/backend-url
{{- else if .Values.backend.url }}
- name: HEREABOUTS_BACKEND__URL
  value: {{ .Values.backend.url | quote }}
{{- end }}
{{- if .Values.persistence.enabled }}
- name: HEREABOUTS_JOURNAL__URL
  value: sqlite:////var/lib/hereabouts/presence.db
{{- else if .Values.journal.urlFromSecret }}
- name: HEREABOUTS_JOURNAL__URL_FILE
  value: /run/secrets/hereabouts/journal-url
{{- else }}
- name: HEREABOUTS_JOURNAL__URL
  value: {{ .Values.journal.url | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
