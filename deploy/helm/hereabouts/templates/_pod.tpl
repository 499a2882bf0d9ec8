{{- /* What a node runs in. The grace covers the wait before SIGTERM, the drain, the hand-over and the last rows. */}}
{{- define "hereabouts.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add (int .Values.preStopSeconds) (int .Values.drainSeconds) 30 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "hereabouts.selector" . | nindent 14 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: hereabouts
    image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [serve]
    env: {{- include "hereabouts.settings" . | nindent 6 }}
    ports:
      - { name: http, containerPort: 8765 }
      - { name: internal, containerPort: 8766 }
    startupProbe:
      httpGet: { path: /healthz, port: internal }
      periodSeconds: 1
      failureThreshold: 60
    livenessProbe:
      httpGet: { path: /healthz, port: internal }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: { path: /readyz, port: internal }
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 2
    lifecycle:
      preStop:
        exec: { command: [sleep, {{ .Values.preStopSeconds | quote }}] }
    resources: {{- toYaml .Values.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: { drop: [ALL] }
    volumeMounts:
      - { name: config, mountPath: /etc/hereabouts, readOnly: true }
      - { name: secret, mountPath: /run/secrets/hereabouts, readOnly: true }
      - { name: scratch, mountPath: /tmp }
      {{- if .Values.persistence.enabled }}
      - { name: journal, mountPath: /var/lib/hereabouts }
      {{- end }}
volumes:
  - name: config
    configMap: { name: {{ include "hereabouts.name" . }} }
  - name: secret
    secret: { secretName: {{ .Values.existingSecret | quote }}, defaultMode: 0440 }
  - name: scratch
    emptyDir: { sizeLimit: 64Mi }
{{- end }}
