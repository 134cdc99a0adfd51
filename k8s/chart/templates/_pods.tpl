{{- /* Of an object in the namespace, as JSON. Takes (list $ "name" labels annotations); the last two may be missing. */ -}}
{{- define "tunepipe.metadata" -}}
{{- $root := index . 0 -}}
{{- $given := append (append . dict) dict -}}
{{- $made := dict "name" (index . 1) "namespace" $root.Values.namespace.name -}}
{{- $_ := set $made "labels" (include "tunepipe.labels" (list $root (index $given 2)) | fromJson) -}}
{{- with index $given 3 -}}{{- $_ := set $made "annotations" . -}}{{- end -}}
{{- toJson $made }}
{{- end }}

{{- define "tunepipe.labels" -}}
{{- $own := dict "app.kubernetes.io/name" "tunepipe" "app.kubernetes.io/part-of" "tunepipe" -}}
{{- mergeOverwrite (deepCopy (index . 0).Values.labels) $own (index . 1) | toJson }}
{{- end }}

{{- /* The metadata of a pod with users' code. Takes (list $ annotations), or (list $ annotations labels) for more labels. With an identity of Azure, its webhook gives pods with the label a token. */ -}}
{{- define "tunepipe.podMetadata" -}}
{{- $values := (index . 0).Values -}}
{{- $labels := mergeOverwrite (deepCopy $values.labels) (dict "app.kubernetes.io/part-of" "tunepipe") (index (append . dict) 2) -}}
{{- if and $values.identity.enabled (hasKey $values.identity.annotations "azure.workload.identity/client-id") }}
{{- $_ := set $labels "azure.workload.identity/use" "true" }}
{{- end -}}
labels: {{ toJson $labels }}
{{- with mergeOverwrite (deepCopy $values.podAnnotations) (index . 1) }}
annotations: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* Users and groups of a pod; OpenShift's policy `restricted-v2` sets them, and refuses any others. And its keys to a registry. */ -}}
{{- define "tunepipe.podSecurity" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets: {{ toJson . }}
{{ end -}}
{{- if .Values.openshift -}}
securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
{{- else -}}
securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}
{{- end }}
{{- end }}

{{- define "tunepipe.container" -}}
imagePullPolicy: IfNotPresent
securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}

{{- define "tunepipe.account" -}}
{{ ternary "tunepipe-storage" "tunepipe-worker" .Values.identity.enabled }}
{{- end }}

{{- define "tunepipe.nodeSelector" -}}
{{- mergeOverwrite (dict "kubernetes.io/os" "linux" "kubernetes.io/arch" .Values.arch) .Values.nodeSelector | toJson }}
{{- end }}

{{- define "tunepipe.cloud" -}}
{{- index (.Files.Get "files/gpus.yaml" | fromYaml).clouds .Values.cloud | toJson }}
{{- end }}

{{- /* Where pods without GPUs run: never on spot nodes, rather not on a GPU node that has no taint. */ -}}
{{- define "tunepipe.placement" -}}
{{- $cloud := include "tunepipe.cloud" . | fromJson -}}
{{- $affinity := dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "preference" (dict "matchExpressions" (list $cloud.others)))) -}}
{{- with $cloud.onDemand -}}
{{- $_ := set $affinity "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list (dict "matchExpressions" .))) -}}
{{- end -}}
nodeSelector: {{ include "tunepipe.nodeSelector" . }}
affinity: {nodeAffinity: {{ toJson $affinity }}}
{{- end }}

{{- /* What a container that runs users' code has. The keys of an object store are in a Secret that may be missing. */ -}}
{{- define "tunepipe.env" -}}
envFrom:
  - secretRef: {name: tunepipe-s3, optional: true}
env:
  - {name: HOME, value: /tmp}
  {{- if .Values.caBundle }}
  - {name: SSL_CERT_FILE, value: /etc/tunepipe-ca/ca.crt}
  {{- end }}
{{- end }}

{{- define "tunepipe.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.caBundle }}
- {name: certificates, mountPath: /etc/tunepipe-ca}
{{- end }}
{{- end }}

{{- /* Without a volume, /studies is an empty folder that cannot be written: a study there would be lost with its pods. */ -}}
{{- define "tunepipe.studies" -}}
{{ if .Values.storage.volume }}persistentVolumeClaim: {claimName: studies}{{ else }}projected: {sources: []}{{ end }}
{{- end }}

{{- define "tunepipe.volumes" -}}
{{- with .Values.caBundle -}}
- {name: certificates, configMap: {name: {{ . }}}}
{{- end }}
{{- end }}

{{- /* A head whose node is lost comes back within a minute and a half, not after Kubernetes' five minutes: KubeRay 1.7 gives a study up that
it has not reached for five. */ -}}
{{- define "tunepipe.headTolerations" -}}
{{- $lost := list -}}
{{- range list "not-ready" "unreachable" -}}
  {{- $lost = append $lost (dict "key" (printf "node.kubernetes.io/%s" .) "operator" "Exists" "effect" "NoExecute" "tolerationSeconds" 30) -}}
{{- end -}}
{{- concat $lost .Values.tolerations | toJson }}
{{- end }}
