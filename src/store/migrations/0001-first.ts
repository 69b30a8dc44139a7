import { sql, type Kysely } from 'kysely'

/** Tenancy, events, ids, sealed secrets, deployments with parts and the cluster's holder: all that costs much to change later. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  `create table key_check (id int primary key check (id = 1), sealed bytea not null)`,

  `create table account (
    id uuid primary key, created_at timestamptz not null default now(), nickname text not null, first_name text not null, last_name text not null, email text not null)`,

  `create table organization (
    id uuid primary key, created_at timestamptz not null default now(), updated_at timestamptz not null default now(), deleted_at timestamptz,
    name text not null, description text not null, owner_id uuid not null references account, contract_extras jsonb not null default '{}')`,
  `create unique index organization_name on organization (lower(name)) where deleted_at is null`,

  `create table membership (account_id uuid not null references account, organization_id uuid not null references organization, role text not null,
    primary key (account_id, organization_id))`,

  `create table token (
    id uuid primary key, account_id uuid not null references account, organization_id uuid references organization, name text not null, description text not null,
    role text not null, hash bytea not null unique, created_at timestamptz not null default now(), expires_at timestamptz, last_used_at timestamptz, deleted_at timestamptz)`,

  `create table project (
    id uuid primary key, organization_id uuid not null references organization, created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    deleted_at timestamptz, name text not null, description text not null, unique (organization_id, id))`,
  `create unique index project_name on project (organization_id, lower(name)) where deleted_at is null`,

  // reach: how the cluster is driven (a Docker socket on a node, or memory). The holder of its lease alone watches, repairs, deploys and writes the edge.
  `create table cluster (
    id uuid primary key, organization_id uuid not null references organization, short_id text not null unique, created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(), deleted_at timestamptz, name text not null, description text not null, engine text not null, reach jsonb not null,
    is_default boolean not null default false, contract_extras jsonb not null default '{}',
    holder text, holder_seat text, holder_epoch bigint not null default 0, holder_until timestamptz,
    edge_wanted bigint not null default 0, edge_applied bigint not null default 0, edge_failed bigint not null default 0, edge_error text, unique (organization_id, id))`,
  `create unique index cluster_name on cluster (organization_id, lower(name)) where deleted_at is null`,

  `create table registry (
    id uuid primary key, organization_id uuid not null references organization, created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    deleted_at timestamptz, name text not null, kind text not null, url text not null, description text not null, config jsonb not null default '{}', unique (organization_id, id))`,
  `create unique index registry_name on registry (organization_id, lower(name)) where deleted_at is null`,

  `create table environment (
    id uuid primary key, organization_id uuid not null, project_id uuid not null, cluster_id uuid not null, short_id text not null, engine_name text not null,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(), deleted_at timestamptz, delete_requested_at timestamptz,
    name text not null, mode text not null, subnet cidr, deployment_count int not null default 0,
    unique (organization_id, id), unique (cluster_id, short_id),
    foreign key (organization_id, project_id) references project (organization_id, id),
    foreign key (organization_id, cluster_id) references cluster (organization_id, id))`,
  `create unique index environment_name on environment (project_id, lower(name)) where deleted_at is null`,
  `create unique index environment_subnet on environment (cluster_id, subnet) where subnet is not null and deleted_at is null`,

  `create table stage (
    id uuid primary key, organization_id uuid not null, environment_id uuid not null, created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    name text not null, description text not null, position int not null, unique (organization_id, id),
    foreign key (organization_id, environment_id) references environment (organization_id, id))`,
  `create unique index stage_name on stage (environment_id, lower(name))`,

  `create table repository (
    id uuid primary key, organization_id uuid not null, environment_id uuid not null, name text not null, node text not null, created_at timestamptz not null default now(),
    deleted_at timestamptz, unique (organization_id, id), foreign key (organization_id, environment_id) references environment (organization_id, id))`,
  `create unique index repository_name on repository (environment_id, lower(name)) where deleted_at is null`,

  `create table application (
    id uuid primary key, organization_id uuid not null, environment_id uuid not null, stage_id uuid not null, skipped boolean not null default false,
    short_id text not null unique, engine_name text not null, address_label text not null, source_kind text not null,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(), changed_at timestamptz not null default now(), deleted_at timestamptz,
    name text not null, description text not null, spec jsonb not null, contract_extras jsonb not null default '{}',
    serving_release_id uuid, serving_generation int not null default 0, presence text not null default 'never', delete_requested_at timestamptz,
    unique (organization_id, id),
    foreign key (organization_id, environment_id) references environment (organization_id, id),
    foreign key (organization_id, stage_id) references stage (organization_id, id))`,
  `create unique index application_name on application (environment_id, lower(name)) where deleted_at is null`,

  // Never deleted from: a public name is not given to anybody else, ever.
  `create table address (label text primary key, organization_id uuid not null, application_id uuid not null, created_at timestamptz not null default now())`,

  `create table secret_value (
    id uuid not null, version int not null, organization_id uuid not null references organization, sealed bytea not null, fingerprint bytea not null,
    created_at timestamptz not null default now(), primary key (id, version))`,

  `create table variable (
    id uuid primary key, organization_id uuid not null references organization, scope text not null, parent_id uuid not null,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(), key text not null, value text, secret_id uuid, secret_version int,
    description text not null, unique (parent_id, key), check ((value is null) <> (secret_id is null)),
    foreign key (secret_id, secret_version) references secret_value (id, version))`,

  `create table release (
    id uuid primary key, organization_id uuid not null, application_id uuid not null, revision int not null, digest text not null, spec_version int not null,
    spec jsonb not null, image jsonb not null, variables jsonb not null, commit jsonb, created_at timestamptz not null default now(),
    unique (application_id, revision), foreign key (organization_id, application_id) references application (organization_id, id))`,

  `create table build (
    id uuid primary key, organization_id uuid not null, cluster_id uuid not null, key text not null, image jsonb not null, created_at timestamptz not null default now(),
    unique (cluster_id, key), foreign key (organization_id, cluster_id) references cluster (organization_id, id))`,

  `create table deployment (
    id uuid primary key, organization_id uuid not null, environment_id uuid not null, cluster_id uuid not null, number int not null, action text not null,
    actor text not null, account_id uuid not null references account, origin text not null, state text not null, cancel_requested boolean not null default false,
    epoch bigint not null default 0, owner text, lease_until timestamptz, idempotency_key text,
    created_at timestamptz not null default now(), started_at timestamptz, finished_at timestamptz,
    unique (environment_id, number), foreign key (organization_id, environment_id) references environment (organization_id, id))`,
  `create unique index deployment_running on deployment (environment_id) where state = 'running'`,
  `create index deployment_queue on deployment (cluster_id, created_at) where state in ('queued', 'running')`,

  `create table deployment_part (
    deployment_id uuid not null references deployment, organization_id uuid not null, application_id uuid not null, stage_id uuid not null, stage_name text not null,
    stage_position int not null, application_name text not null, action text not null, wanted jsonb not null, state text not null, release_id uuid, commit jsonb,
    explanation jsonb, started_at timestamptz, finished_at timestamptz, primary key (deployment_id, application_id),
    foreign key (organization_id, application_id) references application (organization_id, id))`,
  `create index deployment_part_application on deployment_part (application_id)`,

  `create table deployment_step (
    deployment_id uuid not null references deployment, application_id uuid not null, name text not null, epoch bigint not null, output jsonb not null,
    started_at timestamptz not null, finished_at timestamptz not null default now(), primary key (deployment_id, application_id, name))`,

  `create table deployment_log (
    deployment_id uuid not null references deployment, at timestamptz not null, application_id uuid, step text not null, message text not null, error jsonb,
    primary key (deployment_id, at))`,

  `create table observation (application_id uuid primary key, organization_id uuid not null, cluster_id uuid not null, at timestamptz not null, value jsonb not null)`,

  `create table route (application_id uuid primary key, organization_id uuid not null, cluster_id uuid not null, targets jsonb not null, ports jsonb not null, version bigint not null)`,
  `create table external_port (cluster_id uuid not null, protocol text not null, port int not null, application_id uuid not null, primary key (cluster_id, protocol, port))`,

  // A fixed address per instance; a released one waits until no edge configuration can still name it.
  `create table instance_address (environment_id uuid not null, address inet not null, instance text not null, released_version bigint, primary key (environment_id, address))`,
  `create unique index instance_address_name on instance_address (environment_id, instance)`,

  // The last lines and the exit state of removed instances: what is left to explain a failure with.
  `create table instance_record (
    organization_id uuid not null, application_id uuid not null, instance text not null, removed_at timestamptz not null default now(), lines text not null, exit jsonb,
    primary key (application_id, instance))`,

  `create table event (
    id uuid primary key, at timestamptz not null default clock_timestamp(), organization_id uuid not null, actor text not null, origin text not null, action text not null,
    target_kind text not null, target_id uuid not null, target_name text not null, change jsonb not null)`,
  `create index event_organization on event (organization_id, at)`,
]
