/** What Berth can bring onto a Kubernetes cluster beside its own parts, in the order in which it does. */
export const addonNames = ['cert-manager', 'envoy-gateway', 'metrics-server', 'keda'] as const
export type AddonName = (typeof addonNames)[number]

/** The pinned manifests of one add-on, their checksums proven: YAML texts in the order they are applied. */
export type AddonManifest = { version: string; files: string[] }

/** One object that Berth made for an add-on. `uid` null: about to be made. */
export type AddonObject = { apiVersion: string; kind: string; namespace: string; name: string; uid: string | null }

/** What is on a cluster of an add-on that Berth brought. `complete`: it was waited for and runs. */
export type AddonRecord = { version: string; complete: boolean; objects: AddonObject[] }
