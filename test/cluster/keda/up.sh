# KEDA: operator, external metrics API, admission webhooks, as pods. Sourced by up.
keda_bin=$(bin_of keda)
k apply --server-side --force-conflicts -f "$keda_bin/crds" >/dev/null
render "$here/keda/keda.yaml" | k apply -f - >/dev/null
k apply -n keda -f "$keda_bin/validation_webhooks.yaml" >/dev/null
namespaces+=(keda)
