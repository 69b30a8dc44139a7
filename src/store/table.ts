import type { ColumnType, Generated } from 'kysely'

type Time = ColumnType<Date, Date | undefined, Date>
type TimeOrNull = ColumnType<Date | null, Date | null | undefined, Date | null>
type Json<T> = ColumnType<T, string, string>
type OptionalJson<T> = ColumnType<T, string | undefined, string>

/** Every table as Kysely sees it; `migrations/` makes them. */
export interface Tables {
  key_check: { id: number; sealed: Buffer }
  authority: { id: number; certificate: string; sealed: Buffer }
  account: { id: string; created_at: Time; nickname: string; first_name: string; last_name: string; email: string }
  organization: {
    id: string
    created_at: Time
    updated_at: Time
    deleted_at: TimeOrNull
    name: string
    description: string
    owner_id: string
    contract_extras: OptionalJson<Record<string, unknown>>
  }
  membership: { account_id: string; organization_id: string; role: string }
  token: {
    id: string
    account_id: string
    organization_id: string | null
    name: string
    description: string
    role: string
    hash: Buffer
    created_at: Time
    expires_at: TimeOrNull
    last_used_at: TimeOrNull
    deleted_at: TimeOrNull
  }
  project: {
    id: string
    organization_id: string
    created_at: Time
    updated_at: Time
    deleted_at: TimeOrNull
    name: string
    description: string
  }
  cluster: {
    id: string
    organization_id: string
    short_id: string
    created_at: Time
    updated_at: Time
    deleted_at: TimeOrNull
    name: string
    description: string
    engine: string
    reach: Json<Record<string, unknown>>
    is_default: Generated<boolean>
    contract_extras: OptionalJson<Record<string, unknown>>
    holder: string | null
    holder_seat: string | null
    holder_epoch: Generated<number>
    holder_until: TimeOrNull
    edge_wanted: Generated<number>
    edge_applied: Generated<number>
    edge_failed: Generated<number>
    edge_error: string | null
  }
  inventory: {
    cluster_id: string
    organization_id: string
    application_id: string
    kind: string
    namespace: string
    name: string
    mark: string
    uid: string | null
    fingerprint: string | null
    version: string
  }
  registry: {
    id: string
    organization_id: string
    created_at: Time
    updated_at: Time
    deleted_at: TimeOrNull
    name: string
    kind: string
    url: string
    description: string
    config: OptionalJson<Record<string, unknown>>
  }
  environment: {
    id: string
    organization_id: string
    project_id: string
    cluster_id: string
    short_id: string
    engine_name: string
    created_at: Time
    updated_at: Time
    deleted_at: TimeOrNull
    delete_requested_at: TimeOrNull
    name: string
    mode: string
    subnet: string | null
    deployment_count: Generated<number>
  }
  stage: {
    id: string
    organization_id: string
    environment_id: string
    created_at: Time
    updated_at: Time
    name: string
    description: string
    position: number
  }
  repository: {
    id: string
    organization_id: string
    environment_id: string
    name: string
    node: string
    created_at: Time
    deleted_at: TimeOrNull
  }
  application: {
    id: string
    organization_id: string
    environment_id: string
    stage_id: string
    skipped: Generated<boolean>
    short_id: string
    engine_name: string
    address_label: string
    source_kind: string
    created_at: Time
    updated_at: Time
    changed_at: Time
    deleted_at: TimeOrNull
    delete_requested_at: TimeOrNull
    name: string
    description: string
    spec: Json<unknown>
    contract_extras: Json<Record<string, unknown>>
    serving_release_id: string | null
    serving_generation: Generated<number>
    presence: Generated<string>
  }
  address: { label: string; organization_id: string; application_id: string; created_at: Time }
  secret_value: { id: string; version: number; organization_id: string; sealed: Buffer; fingerprint: Buffer; created_at: Time }
  variable: {
    id: string
    organization_id: string
    scope: string
    parent_id: string
    created_at: Time
    updated_at: Time
    key: string
    value: string | null
    secret_id: string | null
    secret_version: number | null
    description: string
  }
  release: {
    id: string
    organization_id: string
    application_id: string
    revision: number
    digest: string
    spec_version: number
    spec: Json<unknown>
    image: Json<unknown>
    variables: Json<unknown>
    commit: ColumnType<unknown, string | null, string | null>
    created_at: Time
  }
  build: { id: string; organization_id: string; cluster_id: string; key: string; image: Json<unknown>; created_at: Time }
  deployment: {
    id: string
    organization_id: string
    environment_id: string
    cluster_id: string
    number: number
    action: string
    actor: string
    account_id: string
    origin: string
    state: string
    cancel_requested: Generated<boolean>
    epoch: Generated<number>
    owner: string | null
    lease_until: TimeOrNull
    idempotency_key: string | null
    created_at: Time
    started_at: TimeOrNull
    finished_at: TimeOrNull
  }
  deployment_part: {
    deployment_id: string
    organization_id: string
    application_id: string
    stage_id: string
    stage_name: string
    stage_position: number
    application_name: string
    action: string
    wanted: Json<unknown>
    state: string
    release_id: string | null
    commit: ColumnType<unknown, string | null | undefined, string | null>
    explanation: ColumnType<unknown, string | null | undefined, string | null>
    started_at: TimeOrNull
    finished_at: TimeOrNull
  }
  deployment_step: {
    deployment_id: string
    application_id: string
    name: string
    epoch: number
    output: Json<unknown>
    started_at: Time
    finished_at: Time
  }
  deployment_log: {
    deployment_id: string
    at: ColumnType<Date, unknown, never>
    application_id: string | null
    step: string
    message: string
    error: ColumnType<unknown, string | null, never>
  }
  observation: { application_id: string; organization_id: string; cluster_id: string; at: Time; value: Json<unknown> }
  route: {
    application_id: string
    organization_id: string
    cluster_id: string
    targets: Json<unknown>
    ports: Json<unknown>
    version: number
  }
  external_port: { cluster_id: string; protocol: string; port: number; application_id: string }
  instance_address: { environment_id: string; address: string; instance: string; released_version: number | null }
  instance_record: {
    organization_id: string
    application_id: string
    instance: string
    removed_at: Time
    lines: string
    exit: ColumnType<unknown, string | null, string | null>
  }
  event: {
    id: string
    at: Time
    organization_id: string
    actor: string
    origin: string
    action: string
    target_kind: string
    target_id: string
    target_name: string
    change: Json<unknown>
  }
}
