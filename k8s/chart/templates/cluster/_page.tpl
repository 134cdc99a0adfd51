{{- define "tunepipe.page" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: page
  namespace: {{ .Values.namespace.name | quote }}
  labels:
    app.kubernetes.io/name: tunepipe-page
    app.kubernetes.io/part-of: tunepipe
    {{- range $name, $value := .Values.labels }}
    {{ $name }}: {{ $value | quote }}
    {{- end }}
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: tunepipe-page
  template:
    metadata:
      labels:
        app.kubernetes.io/name: tunepipe-page
        app.kubernetes.io/part-of: tunepipe
        {{- range $name, $value := .Values.labels }}
        {{ $name }}: {{ $value | quote }}
        {{- end }}
    spec:
      serviceAccountName: tunepipe-worker
      automountServiceAccountToken: false
      nodeSelector: {{ .Values.cluster.nodeSelector | toJson }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        runAsGroup: 1000
        fsGroup: 1000
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: page
        image: {{ .Values.images.cpu | quote }}
        imagePullPolicy: IfNotPresent
        args:
        - tunepipe
        - serve
        - /studies
        - --host
        - 0.0.0.0
        ports:
        - name: http
          containerPort: 8484
        readinessProbe:
          tcpSocket:
            port: http
        livenessProbe:
          tcpSocket:
            port: http
          periodSeconds: 30
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop:
            - ALL
        resources:
          requests:
            cpu: 100m
            memory: 2Gi
            ephemeral-storage: 64Mi
          limits:
            cpu: '2'
            memory: 2Gi
            ephemeral-storage: 512Mi
        env:
        - name: HOME
          value: /tmp
        - name: TUNEPIPE_TOKEN
          valueFrom:
            secretKeyRef:
              name: tunepipe-page
              key: token
        envFrom:
        - secretRef:
            name: tunepipe-s3
            optional: true
        volumeMounts:
        - name: studies
          mountPath: /studies
          readOnly: true
        - name: tmp
          mountPath: /tmp
      volumes:
      - name: studies
        persistentVolumeClaim:
          claimName: studies
          readOnly: true
      - name: tmp
        emptyDir:
          sizeLimit: 256Mi
{{- end }}
