{{- /* The names of the cluster's components: those of the values, or else those of the overlay. */}}
{{- define "tunepipe.components" -}}
{{- $names := .Values.cluster.components }}
{{- if kindIs "invalid" $names }}
{{- $names = (index (.Files.Get "files/overlays.json" | fromJson) .Values.overlay).components }}
{{- end }}
{{- toJson (dict "names" $names) }}
{{- end }}

{{- /* Changes an object as its components do, and then as the operations of the overlay and of the values say. */}}
{{- define "tunepipe.changed" -}}
{{- $object := .object }}
{{- $values := .root.Values }}
{{- $components := .root.Files.Get "files/components.json" | fromJson }}
{{- range (include "tunepipe.components" .root | fromJson).names }}
{{- include "tunepipe.component" (dict "components" $components "name" . "object" $object) }}
{{- end }}
{{- $operations := list }}
{{- if kindIs "invalid" $values.cluster.components }}
{{- $overlay := index (.root.Files.Get "files/overlays.json" | fromJson) $values.overlay }}
{{- $operations = dig $object.kind list $overlay.operations }}
{{- end }}
{{- range concat $operations (dig $object.kind list $values.cluster.patches) }}
{{- include "tunepipe.operation" (dict "object" $object "operation" .) }}
{{- end }}
{{- end }}

{{- /* Changes an object as a component does, after those that it includes. */}}
{{- define "tunepipe.component" -}}
{{- $component := index .components .name | default dict }}
{{- range $component.components }}
{{- include "tunepipe.component" (dict "components" $.components "name" . "object" $.object) }}
{{- end }}
{{- range dig "operations" .object.kind list $component }}
{{- include "tunepipe.operation" (dict "object" $.object "operation" .) }}
{{- end }}
{{- end }}

{{- /* Fails because an object has nothing at a path. */}}
{{- define "tunepipe.nothing" -}}
{{- fail (printf "There is nothing at %s of the %s, which a component or cluster.patches changes or copies." .path .object.kind) }}
{{- end }}

{{- /* A step of a path; of `[name=NAME]`, the number of the element with that name. */}}
{{- define "tunepipe.step" -}}
{{- $step := .step | replace "~1" "/" | replace "~0" "~" }}
{{- if and (kindIs "slice" .node) (hasPrefix "[name=" $step) }}
{{- range $number, $each := .node }}
{{- if eq (printf "[name=%s]" $each.name) $step }}
{{- $step = toString $number }}
{{- end }}
{{- end }}
{{- end }}
{{- $step }}
{{- end }}

{{- /* The value at a path of an object, as JSON. */}}
{{- define "tunepipe.value" -}}
{{- $value := .object }}
{{- range splitList "/" (trimPrefix "/" .path) }}
{{- $name := . | replace "~1" "/" | replace "~0" "~" }}
{{- if and (kindIs "slice" $value) (regexMatch "^[0-9]+$" $name) (lt (int $name) (len $value)) }}
{{- $value = index $value (int $name) }}
{{- else if and (kindIs "map" $value) (hasKey $value $name) }}
{{- $value = index $value $name }}
{{- else }}
{{- include "tunepipe.nothing" $ }}
{{- end }}
{{- end }}
{{- toJson (dict "value" $value) }}
{{- end }}

{{- /* Applies an operation of JSON Patch, or `append`, which adds to the end of a text. With * in its path, it applies to each group
       whose name begins with its `groups`. */}}
{{- define "tunepipe.operation" -}}
{{- $object := .object }}
{{- $operation := .operation }}
{{- $here := dict "object" $object "path" $operation.path }}
{{- if contains "/*/" $operation.path }}
{{- range $number, $group := $object.spec.workerGroupSpecs }}
{{- if hasPrefix ($operation.groups | default "") $group.groupName }}
{{- $one := merge (dict "path" (replace "*" (toString $number) $operation.path)) $operation }}
{{- include "tunepipe.operation" (dict "object" $object "operation" $one) }}
{{- end }}
{{- end }}
{{- else }}
{{- $value := $operation.value }}
{{- if has $operation.op (list "copy" "move") }}
{{- $value = (include "tunepipe.value" (dict "object" $object "path" $operation.from) | fromJson).value }}
{{- else if not (kindIs "invalid" $value) }}
{{- $value = deepCopy $value }}
{{- end }}
{{- if eq $operation.op "move" }}
{{- include "tunepipe.operation" (dict "object" $object "operation" (dict "op" "remove" "path" $operation.from)) }}
{{- end }}
{{- $steps := splitList "/" (trimPrefix "/" $operation.path) }}
{{- $node := $object }}
{{- $above := $object }}
{{- $name := "" }}
{{- range initial $steps }}
{{- $above = $node }}
{{- $name = include "tunepipe.step" (dict "node" $node "step" .) }}
{{- if and (kindIs "slice" $node) (regexMatch "^[0-9]+$" $name) (lt (int $name) (len $node)) }}
{{- $node = index $node (int $name) }}
{{- else if and (kindIs "map" $node) (hasKey $node $name) }}
{{- $node = index $node $name }}
{{- else }}
{{- include "tunepipe.nothing" $here }}
{{- end }}
{{- end }}
{{- $last := include "tunepipe.step" (dict "node" $node "step" (last $steps)) }}
{{- $adds := has $operation.op (list "add" "copy" "move") }}
{{- if eq $operation.op "test" }}
{{- $found := $operation.absent }}
{{- if or (kindIs "slice" $node) (and (kindIs "map" $node) (hasKey $node $last)) }}
{{- $found = (include "tunepipe.value" $here | fromJson).value }}
{{- end }}
{{- if ne (toJson $found) (toJson $value) }}
{{- fail (printf "A component of cluster.components follows one that it cannot change, or a test of cluster.patches failed: at %s is %s, not %s." $operation.path (toJson $found) (toJson $value)) }}
{{- end }}
{{- else if kindIs "slice" $node }}
{{- $at := len $node }}
{{- if regexMatch "^[0-9]+$" $last }}
{{- $at = int $last }}
{{- else if not (and $adds (eq $last "-")) }}
{{- include "tunepipe.nothing" $here }}
{{- end }}
{{- if gt $at (ternary (len $node) (sub (len $node) 1 | int) $adds) }}
{{- include "tunepipe.nothing" $here }}
{{- end }}
{{- $after := slice $node (ternary $at (add1 $at | int) $adds) }}
{{- $new := ternary list (list $value) (eq $operation.op "remove") }}
{{- $_ := set $above $name (concat (slice $node 0 $at) $new $after) }}
{{- else if not (kindIs "map" $node) }}
{{- include "tunepipe.nothing" $here }}
{{- else if $adds }}
{{- $_ := set $node $last $value }}
{{- else if and (eq $operation.op "append") (not (hasKey $node $last)) }}
{{- fail (printf "A group of cluster.components has no label %s: time-slicing is for groups by NVIDIA's labels. For one in eks/ or aks/, name time-slicing/strategy; for one in gke/, gke/time-sharing." $last) }}
{{- else if not (hasKey $node $last) }}
{{- include "tunepipe.nothing" $here }}
{{- else if eq $operation.op "remove" }}
{{- $_ := unset $node $last }}
{{- else if eq $operation.op "append" }}
{{- $_ := set $node $last (print (index $node $last) $value) }}
{{- else }}
{{- $_ := set $node $last $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The labels of spot nodes that a pod selects or requires, as JSON. */}}
{{- define "tunepipe.spot" -}}
{{- $named := keys (.nodeSelector | default dict) }}
{{- range dig "affinity" "nodeAffinity" "requiredDuringSchedulingIgnoredDuringExecution" "nodeSelectorTerms" list . }}
{{- range .matchExpressions }}
{{- $named = append $named .key }}
{{- end }}
{{- end }}
{{- $spot := list }}
{{- range list "cloud.google.com/gke-spot" "karpenter.sh/capacity-type" "eks.amazonaws.com/capacityType" "kubernetes.azure.com/scalesetpriority" }}
{{- if has . $named }}
{{- $spot = append $spot . }}
{{- end }}
{{- end }}
{{- toJson (dict "labels" $spot) }}
{{- end }}

{{- /* Whether a pod has a resource of NVIDIA, as those of each component's group have; a group without is a user's. */}}
{{- define "tunepipe.nvidia" -}}
{{- $has := false }}
{{- range keys (dig "resources" "limits" dict (first .containers)) }}
{{- if hasPrefix "nvidia.com/" . }}
{{- $has = true }}
{{- end }}
{{- end }}
{{- $has }}
{{- end }}

{{- /* Whether a component's group that is not one of spot nodes lacks what keeps the first group off them. A pool of nodes that a
user names decides that itself. */}}
{{- define "tunepipe.unlike" -}}
{{- $kept := (include "tunepipe.spot" .first.template.spec | fromJson).labels }}
{{- $own := (include "tunepipe.spot" .group.template.spec | fromJson).labels }}
{{- $unlike := and (gt (len $kept) 0) (eq "true" (include "tunepipe.nvidia" .group.template.spec)) }}
{{- range list "cloud.google.com/gke-nodepool" "karpenter.sh/nodepool" "eks.amazonaws.com/nodegroup" "kubernetes.azure.com/agentpool" "agentpool" }}
{{- if hasKey ($.group.template.spec.nodeSelector | default dict) . }}
{{- $unlike = false }}
{{- end }}
{{- end }}
{{- range $own }}
{{- if has . $kept }}
{{- $unlike = false }}
{{- end }}
{{- end }}
{{- range (first .group.template.spec.containers).env }}
{{- if eq .name "TUNEPIPE_CHECKPOINT_SECONDS" }}
{{- $unlike = false }}
{{- end }}
{{- end }}
{{- $unlike }}
{{- end }}
