{{- define "tunepipe.raycluster" -}}
apiVersion: ray.io/v1
kind: RayCluster
metadata:
  labels:
    app.kubernetes.io/name: tunepipe
    app.kubernetes.io/part-of: tunepipe
    {{- range $name, $value := .Values.labels }}
    {{ $name }}: {{ $value | quote }}
    {{- end }}
  name: tunepipe
  namespace: {{ .Values.namespace.name | quote }}
spec:
  autoscalerOptions:
    env:
    - name: HOME
      value: /tmp
    - name: RAY_ROTATION_MAX_BYTES
      value: '50000000'
    - name: RAY_ROTATION_BACKUP_COUNT
      value: '1'
    idleTimeoutSeconds: 120
    image: {{ .Values.images.cpu | quote }}
    imagePullPolicy: IfNotPresent
    resources:
      limits:
        cpu: '1'
        ephemeral-storage: 1Gi
        memory: 1Gi
      requests:
        cpu: 200m
        ephemeral-storage: 256Mi
        memory: 1Gi
    securityContext:
      allowPrivilegeEscalation: false
      capabilities:
        drop:
        - ALL
      readOnlyRootFilesystem: true
      runAsUser: 1001
    version: v2
    volumeMounts:
    - mountPath: /tmp
      name: autoscaler-tmp
    - mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      name: autoscaler-token
      readOnly: true
  enableInTreeAutoscaling: true
  headGroupSpec:
    rayStartParams:
      dashboard-host: 0.0.0.0
      num-cpus: '0'
    template:
      metadata:
        annotations:
          cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'
          karpenter.sh/do-not-disrupt: 'true'
        labels:
          app.kubernetes.io/part-of: tunepipe
          {{- range $name, $value := .Values.labels }}
          {{ $name }}: {{ $value | quote }}
          {{- end }}
      spec:
        {{- with .Values.imagePullSecrets }}
        imagePullSecrets: {{ . | toJson }}
        {{- end }}
        affinity:
          nodeAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - preference:
                matchExpressions:
                - key: nvidia.com/gpu.present
                  operator: NotIn
                  values:
                  - 'true'
              weight: 100
        automountServiceAccountToken: false
        containers:
        - env:
          - name: HOME
            value: /tmp
          - name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
            value: '0'
          envFrom:
          - secretRef:
              name: tunepipe-s3
              optional: true
          image: {{ .Values.images.cpu | quote }}
          imagePullPolicy: IfNotPresent
          lifecycle:
            preStop:
              exec:
                command:
                - /bin/sh
                - -c
                - python -m pipeline.cluster.stop_drivers --seconds 30; ray stop --grace-period 5
          name: ray-head
          ports:
          - containerPort: 6379
            name: gcs
          - containerPort: 8265
            name: dashboard
          - containerPort: 8080
            name: metrics
          resources:
            limits:
              cpu: '2'
              ephemeral-storage: 12Gi
              memory: 4Gi
            requests:
              cpu: '1'
              ephemeral-storage: 2Gi
              memory: 4Gi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop:
              - ALL
            readOnlyRootFilesystem: true
          volumeMounts:
          - mountPath: /tmp
            name: tmp
          - mountPath: /dev/shm
            name: shm
          - mountPath: /studies
            name: studies
        nodeSelector: {{ .Values.cluster.nodeSelector | toJson }}
        priorityClassName: tunepipe-head
        securityContext:
          fsGroup: 1000
          fsGroupChangePolicy: OnRootMismatch
          runAsGroup: 1000
          runAsNonRoot: true
          runAsUser: 1000
          seccompProfile:
            type: RuntimeDefault
        shareProcessNamespace: true
        terminationGracePeriodSeconds: 45
        tolerations:
        - effect: NoExecute
          key: node.kubernetes.io/not-ready
          operator: Exists
          tolerationSeconds: 30
        - effect: NoExecute
          key: node.kubernetes.io/unreachable
          operator: Exists
          tolerationSeconds: 30
        volumes:
        - emptyDir:
            sizeLimit: 10Gi
          name: tmp
        - emptyDir:
            medium: Memory
            sizeLimit: 2Gi
          name: shm
        - name: studies
          persistentVolumeClaim:
            claimName: studies
        - emptyDir:
            sizeLimit: 512Mi
          name: autoscaler-tmp
        - name: autoscaler-token
          projected:
            sources:
            - serviceAccountToken:
                expirationSeconds: 3607
                path: token
            - configMap:
                items:
                - key: ca.crt
                  path: ca.crt
                name: kube-root-ca.crt
  rayVersion: 2.60.0
  workerGroupSpecs:
  - groupName: cpu
    idleTimeoutSeconds: 120
    maxReplicas: 4
    minReplicas: 0
    rayStartParams: {}
    replicas: 0
    template:
      metadata:
        annotations:
          cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'
          karpenter.sh/do-not-disrupt: 'true'
        labels:
          app.kubernetes.io/part-of: tunepipe
          {{- range $name, $value := .Values.labels }}
          {{ $name }}: {{ $value | quote }}
          {{- end }}
      spec:
        affinity:
          nodeAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - preference:
                matchExpressions:
                - key: nvidia.com/gpu.present
                  operator: NotIn
                  values:
                  - 'true'
              weight: 100
        automountServiceAccountToken: false
        containers:
        - env:
          - name: HOME
            value: /tmp
          - name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
            value: '0'
          envFrom:
          - secretRef:
              name: tunepipe-s3
              optional: true
          image: {{ .Values.images.cpu | quote }}
          imagePullPolicy: IfNotPresent
          lifecycle:
            preStop:
              exec:
                command:
                - /bin/sh
                - -c
                - sleep 15; ray stop
          name: ray-worker
          resources:
            limits:
              cpu: '2'
              ephemeral-storage: 22Gi
              memory: 6Gi
            requests:
              cpu: '2'
              ephemeral-storage: 4Gi
              memory: 6Gi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop:
              - ALL
            readOnlyRootFilesystem: true
          volumeMounts:
          - mountPath: /tmp
            name: tmp
          - mountPath: /dev/shm
            name: shm
          - mountPath: /studies
            name: studies
        nodeSelector: {{ .Values.cluster.nodeSelector | toJson }}
        priorityClassName: tunepipe-worker
        securityContext:
          fsGroup: 1000
          fsGroupChangePolicy: OnRootMismatch
          runAsGroup: 1000
          runAsNonRoot: true
          runAsUser: 1000
          seccompProfile:
            type: RuntimeDefault
        serviceAccountName: tunepipe-worker
        terminationGracePeriodSeconds: 90
        volumes:
        - emptyDir:
            sizeLimit: 20Gi
          name: tmp
        - emptyDir:
            medium: Memory
            sizeLimit: 2Gi
          name: shm
        - name: studies
          persistentVolumeClaim:
            claimName: studies
{{- end }}
