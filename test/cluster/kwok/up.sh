# Simulated nodes, for what one machine has not: a node that a suite creates with the label type=kwok is ready, and its pods
# "run". Sourced by up.
service kwok "$(bin_of kwok)/kwok" --kubeconfig "$kubeconfig" --config "$here/kwok/stages.yaml" \
  --manage-nodes-with-label-selector type=kwok --node-ip "$node_ip" --cidr "$simulated_cidr" \
  --node-lease-duration-seconds 12 # like the kubelet's
