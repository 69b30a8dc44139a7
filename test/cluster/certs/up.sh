# cert-manager's controllers, a CA ClusterIssuer (berth-ca) and Pebble, an ACME server for tests,
# with its ClusterIssuer (berth-acme). Sourced by up.
certs_bin=$(bin_of certs)
k apply --server-side --force-conflicts -f "$certs_bin/crds" >/dev/null 2>&1
grep -qx localhost/acmesolver:1 <<<"$images" ||
  "$here/image" --entrypoint localhost/acmesolver:1 acmesolver="$certs_bin/certs" | ctr_k8s images import - >/dev/null
gateway_api=$(k get crd gateways.gateway.networking.k8s.io >/dev/null 2>&1 && echo true || echo false)
render "$here/certs/certs.yaml" | k apply -f - >/dev/null
namespaces+=(cert-manager)
