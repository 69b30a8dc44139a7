# Envoy Gateway in its Kubernetes mode: the control plane as a pod, which starts an Envoy
# Deployment and a LoadBalancer Service per Gateway. Sourced by up.
gateway_bin=$(bin_of gateway)
k get crd envoyproxies.gateway.envoyproxy.io gateways.gateway.networking.k8s.io >/dev/null 2>&1 ||
  k apply --server-side --force-conflicts -R -f "$gateway_bin/crds" >/dev/null
# The proxy pods are made by Envoy Gateway, not by us: these two binaries need images.
grep -qx localhost/envoy:1 <<<"$images" ||
  "$here/image" localhost/envoy:1 usr/local/bin/envoy="$gateway_bin/envoy" | ctr_k8s images import - >/dev/null
grep -qx localhost/envoy-gateway:1 <<<"$images" ||
  "$here/image" localhost/envoy-gateway:1 usr/local/bin/envoy-gateway="$gateway_bin/envoy-gateway" | ctr_k8s images import - >/dev/null
render "$here/gateway/gateway.yaml" | k apply -f - >/dev/null
namespaces+=(envoy-gateway-system)
