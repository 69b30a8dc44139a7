# Image builds: Debian's registry on the node's address, a base image in it, and the image of the builder that Berth starts as
# a pod. Sourced by up.
build_bin=$(bin_of build)
put "$state/registry.yaml" <<Y
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $state/registry}, delete: {enabled: true}}
http: {addr: $registry}
Y
service registry docker-registry serve "$state/registry.yaml"
until_ok 20 registry curl -sf "http://$registry/v2/"
if ! curl -sf "http://$registry/v2/library/debian/manifests/bookworm-slim" -o /dev/null; then
  "$here/image" --rootfs "$build_bin/debian.tar" "$registry/library/debian:bookworm-slim" | ctr_k8s images import - >/dev/null
  ctr_k8s images push --plain-http "$registry/library/debian:bookworm-slim" >/dev/null
fi
# What moby/buildkit has, made of what is here; Docker Hub's names are looked up in the registry above.
if ! grep -qx localhost/buildkit:1 <<<"$images"; then
  printf '[registry."docker.io"]\n  mirrors = ["%s"]\n[registry."%s"]\n  http = true\n' "$registry" "$registry" >"$state/buildkitd.toml"
  links=(); for applet in $(busybox --list); do [ "$applet" = busybox ] || links+=("bin/$applet=-> busybox"); done
  "$here/image" localhost/buildkit:1 usr/bin/buildkitd="$build_bin/buildkitd" usr/bin/buildctl="$build_bin/buildctl" \
    usr/bin/runc="$(command -v runc)" bin/busybox="$(command -v busybox)" etc/buildkit/buildkitd.toml="$state/buildkitd.toml" \
    etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt "${links[@]}" | ctr_k8s images import - >/dev/null
fi
