{{- /* The spec of a RayCluster, of the shared one and of a study's. Takes (list $ queued): whether Kueue admits it as a whole. */ -}}
{{- define "tunepipe.cluster" -}}
{{- $ := index . 0 -}}
{{- $queued := index . 1 -}}
rayVersion: 2.60.0
enableInTreeAutoscaling: {{ not $queued }}
{{- if $.Values.token }}
# The operator makes the secret and sets it everywhere.
authOptions: {mode: token}
{{- end }}
{{- if $.Values.gcsRocksdb }}
gcsFaultToleranceOptions: {backend: rocksdb}
{{- end }}
autoscalerOptions:
  # Only version 2 knows an idle timeout for each group.
  version: v2
  idleTimeoutSeconds: {{ $.Values.idleSeconds }}
  image: {{ $.Values.images.cpu }}
  imagePullPolicy: IfNotPresent
  {{- if $.Values.openshift }}
  securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
  {{- else }}
  # Not the user of Ray's container: in a shared process namespace, /proc shows a user the files of all its own processes.
  securityContext: {runAsUser: 1001, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
  {{- end }}
  resources:
    requests: {cpu: 200m, memory: 1Gi, ephemeral-storage: 256Mi}
    limits: {cpu: "1", memory: 1Gi, ephemeral-storage: 1Gi}
  env:
    - {name: HOME, value: /tmp}
    # Its log has twice this at most; by default six times 512 MB.
    - {name: RAY_ROTATION_MAX_BYTES, value: "50000000"}
    - {name: RAY_ROTATION_BACKUP_COUNT, value: "1"}
  volumeMounts:
    - {name: autoscaler-tmp, mountPath: /tmp}
    - {name: autoscaler-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
headGroupSpec:
  rayStartParams:
    # No trial trains here: the head holds the driver.
    num-cpus: "0"
    dashboard-host: 0.0.0.0
  template:
    metadata:
      # A node with a head is not removed to save costs.
      {{- $stay := dict "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" "karpenter.sh/do-not-disrupt" "true" }}
      {{- include "tunepipe.podMetadata" (list $ $stay) | nindent 6 }}
    spec:
      {{- if or $queued $.Values.identity.enabled }}
      # KubeRay gives the account that the head names what its autoscaler needs; else it makes one.
      serviceAccountName: {{ include "tunepipe.account" $ }}
      {{- end }}
      # Users' code runs here, and may ask the Kubernetes API for nothing: only the autoscaler's container has a token.
      automountServiceAccountToken: false
      priorityClassName: tunepipe-head
      # 30 s for the driver to end, and some for Ray.
      terminationGracePeriodSeconds: 45
      {{- if not $.Values.openshift }}
      # Signals do not end the first process of a namespace unless it asks for them, which neither Ray's shell nor its autoscaler does:
      # in a shared namespace they are not the first. On OpenShift, the autoscaler has the user of Ray's container, whose code could
      # then read its token: there, a head takes its whole grace period to end.
      shareProcessNamespace: true
      {{- end }}
      {{- include "tunepipe.placement" $ | nindent 6 }}
      tolerations: {{ include "tunepipe.headTolerations" $ }}
      {{- include "tunepipe.podSecurity" $ | nindent 6 }}
      containers:
        - name: ray-head
          image: {{ $.Values.images.cpu }}
          {{- include "tunepipe.container" $ | nindent 10 }}
          # Disk: what tmp may fill, and some for logs.
          resources: {{ toJson $.Values.head.resources }}
          lifecycle:
            preStop:
              # Drivers end with a complete session, which resumes elsewhere; then nothing of Ray holds up the pod. A hook that waited for
              # `ray stop` would end with its container, and Kubernetes would warn of it.
              exec: {command: [/bin/sh, -c, "python -m pipeline.cluster.stop_drivers --seconds 30; ray stop --grace-period 5 >/dev/null 2>&1 &"]}
          {{- include "tunepipe.env" $ | nindent 10 }}
            # Ray has stopped before the container gets its signal: without this, it asks a head that is gone for 30 s.
            - {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: "0"}
          ports:
            - {name: gcs, containerPort: 6379}
            - {name: dashboard, containerPort: 8265}
            - {name: metrics, containerPort: 8080}
          volumeMounts:
            {{- include "tunepipe.mounts" $ | nindent 12 }}
            - {name: shm, mountPath: /dev/shm}
            - {name: studies, mountPath: /studies}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 10Gi}}
        # Above the 30% of memory that Ray's object store takes; else it lies on the disk.
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}
        - {name: studies, {{ include "tunepipe.studies" $ }}}
        # Mounted by the autoscaler alone. The token is what Kubernetes would mount into each container.
        - {name: autoscaler-tmp, emptyDir: {sizeLimit: 512Mi}}
        - name: autoscaler-token
          projected:
            sources:
              - serviceAccountToken: {path: token, expirationSeconds: 3607}
              - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
        {{- with include "tunepipe.volumes" $ }}{{ . | nindent 8 }}{{ end }}
workerGroupSpecs:
  # Beside GPU groups, too: or tasks that ask for CPUs alone would start GPU nodes.
  {{- $cpu := dict "name" "cpu" "image" $.Values.images.cpu "shm" "2Gi" "stay" $stay "placement" (include "tunepipe.placement" $) }}
  {{- include "tunepipe.group" (list $ (merge $cpu (pick $.Values "tolerations") $.Values.workers)) | nindent 2 }}
  {{- $names := list "cpu" }}
  {{- range $.Values.groups }}
  {{- $group := include "tunepipe.gpuGroup" (list $ .) | fromJson }}
  {{- if has $group.name $names }}
  {{- fail (printf "Two groups have the name %s: give one of them another name." $group.name) }}
  {{- end }}
  {{- $names = append $names $group.name }}
  {{- include "tunepipe.group" (list $ $group) | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* A group of workers. Takes (list $ group). */ -}}
{{- define "tunepipe.group" -}}
{{- $ := index . 0 -}}
{{- $group := index . 1 -}}
- groupName: {{ $group.name }}
  replicas: {{ $group.min | default 0 }}
  minReplicas: {{ $group.min | default 0 }}
  maxReplicas: {{ $group.max }}
  idleTimeoutSeconds: {{ $.Values.idleSeconds }}
  # Ray's autoscaler counts only resources whose names end in "gpu": without num-gpus it starts no pod with a part of a card.
  rayStartParams: {{ if $group.part }}{num-gpus: "1"}{{ else }}{}{{ end }}
  template:
    metadata:
      # Autoscalers move no pod that trains to save costs; Ray removes pods that are idle.
      {{- include "tunepipe.podMetadata" (list $ $group.stay) | nindent 6 }}
    spec:
      serviceAccountName: {{ include "tunepipe.account" $ }}
      automountServiceAccountToken: false
      priorityClassName: tunepipe-worker
      {{- with and (hasPrefix "gpu" $group.name) $.Values.runtimeClass }}
      runtimeClassName: {{ . }}
      {{- end }}
      {{- $group.placement | nindent 6 }}
      {{- with $group.tolerations }}
      tolerations: {{ toJson . }}
      {{- end }}
      {{- if $group.spot }}
      # Clouds take spot nodes away with 15 s of notice. Trials continue elsewhere, from the checkpoint of their last whole epoch.
      terminationGracePeriodSeconds: 15
      {{- else }}
      # Above the 30 s for which Ray drains a node: trials leave their checkpoints.
      terminationGracePeriodSeconds: 90
      {{- end }}
      {{- include "tunepipe.podSecurity" $ | nindent 6 }}
      containers:
        - name: ray-worker
          image: {{ $group.image }}
          {{- include "tunepipe.container" $ | nindent 10 }}
          resources: {{ toJson $group.resources }}
          lifecycle:
            preStop:
              # Ray's shell passes no signal on: a GPU would be held for the whole grace period. While it sleeps, trials that were asked to
              # end leave their checkpoints.
              exec: {command: [/bin/sh, -c, {{ ternary "ray stop --grace-period 8" "sleep 15; ray stop" (eq true $group.spot) | printf "%s >/dev/null 2>&1 &" | quote }}]}
          {{- include "tunepipe.env" $ | nindent 10 }}
            - {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: "0"}
            {{- if $group.spot }}
            - {name: TUNEPIPE_SPOT, value: "1"}
            {{- end }}
          volumeMounts:
            {{- include "tunepipe.mounts" $ | nindent 12 }}
            - {name: shm, mountPath: /dev/shm}
            - {name: studies, mountPath: /studies}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 20Gi}}
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ $group.shm }}}}
        - {name: studies, {{ include "tunepipe.studies" $ }}}
        {{- with include "tunepipe.volumes" $ }}{{ . | nindent 8 }}{{ end }}
{{- end }}

{{- /* A group with GPUs from an entry of `groups` and the table, as JSON. Takes (list $ entry). */ -}}
{{- define "tunepipe.gpuGroup" -}}
{{- $ := index . 0 -}}
{{- $asked := index . 1 -}}
{{- $table := $.Files.Get "files/gpus.yaml" | fromYaml -}}
{{- $cloud := index $table.clouds $.Values.cloud -}}
{{- $spot := eq true $asked.spot -}}
{{- $single := eq "single" (toString $asked.migStrategy) -}}
{{- $pod := dict "cpu" "6" "memory" "24Gi" "shm" "8Gi" "max" 8 -}}
{{- $nodes := dict -}}
{{- $resource := "nvidia.com/gpu" -}}
{{- $count := $asked.count | default 1 | int -}}
{{- with $asked.gpu -}}
  {{- $gpu := index $table.gpus . -}}
  {{- $names := index ($gpu | default dict) $cloud.gpus -}}
  {{- if not $names -}}
    {{- fail (printf "There is no group with the GPU %s for the cloud %s in files/gpus.yaml. Give a group of your own a name and a nodeSelector." . $.Values.cloud) -}}
  {{- end -}}
  {{- $asks := . -}}
  {{- range $name, $value := $names -}}
    {{- if kindIs "map" $value -}}
      {{- $value = required (printf "There is no group with %d GPUs %s in a pod for the cloud %s in files/gpus.yaml." $count $asks $.Values.cloud) (get $value (toString $count)) -}}
    {{- end -}}
    {{- $_ := set $nodes (printf "%s%s" $cloud.prefix $name) $value -}}
  {{- end -}}
  {{- $pod = mergeOverwrite $pod $gpu.pod -}}
{{- end -}}
{{- with $asked.mig -}}
  {{- $pod = mergeOverwrite $pod (index $table.parts . | default dict) -}}
  {{- if eq $.Values.cloud "gke" -}}
    {{- /* Google's clusters offer a part of a card as a GPU. */ -}}
    {{- $_ := set $nodes "cloud.google.com/gke-gpu-partition-size" . -}}
  {{- else if $single -}}
    {{- range $name, $value := $nodes -}}{{- $_ := set $nodes $name (printf "%s-MIG-%s" $value $asked.mig) -}}{{- end -}}
  {{- else -}}
    {{- $resource = printf "nvidia.com/mig-%s" . -}}
  {{- end -}}
{{- end -}}
{{- if $asked.shared -}}
  {{- $pod = mergeOverwrite $pod $table.shared -}}
  {{- if hasKey $nodes "nvidia.com/gpu.product" -}}
    {{- $_ := set $nodes "nvidia.com/gpu.product" (printf "%s-SHARED" (index $nodes "nvidia.com/gpu.product")) -}}
  {{- end -}}
  {{- $nodes = merge $nodes (required (printf "There are no groups with shared cards for the cloud %s." $.Values.cloud) $cloud.shared) -}}
  {{- with $asked.sharedClients -}}
    {{- $_ := set $nodes "cloud.google.com/gke-max-shared-clients-per-gpu" (toString .) -}}
  {{- end -}}
{{- end -}}
{{- $tolerations := concat (list (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule")) ($cloud.tolerations | default list) -}}
{{- $stay := dict "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" "karpenter.sh/do-not-disrupt" "true" -}}
{{- $refused := $cloud.onDemand | default list -}}
{{- if $spot -}}
  {{- $kind := $cloud.spot | default dict -}}
  {{- $refused = list -}}
  {{- $nodes = merge $nodes ($kind.labels | default dict) -}}
  {{- $tolerations = concat $tolerations ($kind.tolerations | default list) -}}
  {{- /* At the notice, Karpenter evicts no pod that has it: it would be killed with its node. */ -}}
  {{- $stay = omit $stay "karpenter.sh/do-not-disrupt" (ternary "cluster-autoscaler.kubernetes.io/safe-to-evict" "" (eq true $kind.evictable)) -}}
{{- end -}}
{{- range $cloud.wholeCards -}}
  {{- if not (or (hasKey $nodes .) (hasKey ($asked.nodeSelector | default dict) .)) -}}{{- $refused = append $refused (dict "key" . "operator" "DoesNotExist") -}}{{- end -}}
{{- end -}}
{{- range list "memory" "shm" -}}{{- $_ := set $pod . (printf "%dGi" (mul $count (get $pod . | trimSuffix "Gi"))) -}}{{- end -}}
{{- $pod = mergeOverwrite (merge (dict "cpu" (mul $count $pod.cpu)) $pod) (pick $asked "cpu" "memory" "shm" "max") -}}
{{- $amounts := dict "cpu" (toString $pod.cpu) "memory" $pod.memory $resource (toString $count) -}}
{{- $platform := dict "kubernetes.io/os" "linux" "kubernetes.io/arch" $.Values.arch -}}
{{- $placement := printf "nodeSelector: %s" (mergeOverwrite $platform $nodes ($asked.nodeSelector | default dict) | toJson) -}}
{{- if $refused -}}
  {{- $required := dict "nodeSelectorTerms" (list (dict "matchExpressions" $refused)) -}}
  {{- $placement = printf "%s\naffinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: %s}}" $placement (toJson $required) -}}
{{- end -}}
{{- $suffix := ternary "-shared" "" (eq true $asked.shared) -}}
{{- $suffix = printf "%s%s%s%s" (ternary (printf "-x%d" $count) "" (gt $count 1)) (ternary "-spot" "" $spot) (ternary "-mig" "" (hasKey $asked "mig")) $suffix -}}
{{- dict
  "name" ($asked.name | default (printf "gpu-%s%s" $asked.gpu $suffix)) "max" $pod.max "min" $asked.min
  "image" $.Values.images.gpu "shm" $pod.shm "spot" $spot "part" (ne $resource "nvidia.com/gpu")
  "resources" (dict "requests" (merge (dict "ephemeral-storage" "4Gi") $amounts) "limits" (merge (dict "ephemeral-storage" ($asked.disk | default "22Gi")) $amounts))
  "stay" $stay "placement" $placement "tolerations" (concat $tolerations ($asked.tolerations | default list)) | toJson }}
{{- end }}
