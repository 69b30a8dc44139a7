-- Dumped from the migrations by npm run generate; a test checks it.

create table account (
  id uuid not null,
  created_at timestamp with time zone not null default now(),
  nickname text not null,
  first_name text not null,
  last_name text not null,
  email text not null,
  constraint account_pkey PRIMARY KEY (id)
);

create table address (
  label text not null,
  organization_id uuid not null,
  application_id uuid not null,
  created_at timestamp with time zone not null default now(),
  constraint address_pkey PRIMARY KEY (label)
);

create table application (
  id uuid not null,
  organization_id uuid not null,
  environment_id uuid not null,
  stage_id uuid not null,
  skipped boolean not null default false,
  short_id text not null,
  engine_name text not null,
  address_label text not null,
  source_kind text not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  changed_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  name text not null,
  description text not null,
  spec jsonb not null,
  contract_extras jsonb not null default '{}'::jsonb,
  serving_release_id uuid,
  serving_generation integer not null default 0,
  presence text not null default 'never'::text,
  delete_requested_at timestamp with time zone,
  constraint application_organization_id_environment_id_fkey FOREIGN KEY (organization_id, environment_id) REFERENCES environment(organization_id, id),
  constraint application_organization_id_id_key UNIQUE (organization_id, id),
  constraint application_organization_id_stage_id_fkey FOREIGN KEY (organization_id, stage_id) REFERENCES stage(organization_id, id),
  constraint application_pkey PRIMARY KEY (id),
  constraint application_short_id_key UNIQUE (short_id)
);

create table authority (
  id integer not null,
  certificate text not null,
  sealed bytea not null,
  constraint authority_id_check CHECK ((id = 1)),
  constraint authority_pkey PRIMARY KEY (id)
);

create table build (
  id uuid not null,
  organization_id uuid not null,
  cluster_id uuid not null,
  key text not null,
  image jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint build_cluster_id_key_key UNIQUE (cluster_id, key),
  constraint build_organization_id_cluster_id_fkey FOREIGN KEY (organization_id, cluster_id) REFERENCES cluster(organization_id, id),
  constraint build_pkey PRIMARY KEY (id)
);

create table cluster (
  id uuid not null,
  organization_id uuid not null,
  short_id text not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  name text not null,
  description text not null,
  engine text not null,
  reach jsonb not null,
  is_default boolean not null default false,
  contract_extras jsonb not null default '{}'::jsonb,
  holder text,
  holder_seat text,
  holder_epoch bigint not null default 0,
  holder_until timestamp with time zone,
  edge_wanted bigint not null default 0,
  edge_applied bigint not null default 0,
  edge_failed bigint not null default 0,
  edge_error text,
  constraint cluster_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint cluster_organization_id_id_key UNIQUE (organization_id, id),
  constraint cluster_pkey PRIMARY KEY (id),
  constraint cluster_short_id_key UNIQUE (short_id)
);

create table deployment (
  id uuid not null,
  organization_id uuid not null,
  environment_id uuid not null,
  cluster_id uuid not null,
  number integer not null,
  action text not null,
  actor text not null,
  account_id uuid not null,
  origin text not null,
  state text not null,
  cancel_requested boolean not null default false,
  epoch bigint not null default 0,
  owner text,
  lease_until timestamp with time zone,
  idempotency_key text,
  created_at timestamp with time zone not null default now(),
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  constraint deployment_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id),
  constraint deployment_environment_id_number_key UNIQUE (environment_id, number),
  constraint deployment_organization_id_environment_id_fkey FOREIGN KEY (organization_id, environment_id) REFERENCES environment(organization_id, id),
  constraint deployment_pkey PRIMARY KEY (id)
);

create table deployment_log (
  deployment_id uuid not null,
  at timestamp with time zone not null,
  application_id uuid,
  step text not null,
  message text not null,
  error jsonb,
  constraint deployment_log_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES deployment(id),
  constraint deployment_log_pkey PRIMARY KEY (deployment_id, at)
);

create table deployment_part (
  deployment_id uuid not null,
  organization_id uuid not null,
  application_id uuid not null,
  stage_id uuid not null,
  stage_name text not null,
  stage_position integer not null,
  application_name text not null,
  action text not null,
  wanted jsonb not null,
  state text not null,
  release_id uuid,
  commit jsonb,
  explanation jsonb,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  constraint deployment_part_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES deployment(id),
  constraint deployment_part_organization_id_application_id_fkey FOREIGN KEY (organization_id, application_id) REFERENCES application(organization_id, id),
  constraint deployment_part_pkey PRIMARY KEY (deployment_id, application_id)
);

create table deployment_step (
  deployment_id uuid not null,
  application_id uuid not null,
  name text not null,
  epoch bigint not null,
  output jsonb not null,
  started_at timestamp with time zone not null,
  finished_at timestamp with time zone not null default now(),
  constraint deployment_step_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES deployment(id),
  constraint deployment_step_pkey PRIMARY KEY (deployment_id, application_id, name)
);

create table environment (
  id uuid not null,
  organization_id uuid not null,
  project_id uuid not null,
  cluster_id uuid not null,
  short_id text not null,
  engine_name text not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  delete_requested_at timestamp with time zone,
  name text not null,
  mode text not null,
  subnet cidr,
  deployment_count integer not null default 0,
  constraint environment_cluster_id_short_id_key UNIQUE (cluster_id, short_id),
  constraint environment_organization_id_cluster_id_fkey FOREIGN KEY (organization_id, cluster_id) REFERENCES cluster(organization_id, id),
  constraint environment_organization_id_id_key UNIQUE (organization_id, id),
  constraint environment_organization_id_project_id_fkey FOREIGN KEY (organization_id, project_id) REFERENCES project(organization_id, id),
  constraint environment_pkey PRIMARY KEY (id)
);

create table event (
  id uuid not null,
  at timestamp with time zone not null default clock_timestamp(),
  organization_id uuid not null,
  actor text not null,
  origin text not null,
  action text not null,
  target_kind text not null,
  target_id uuid not null,
  target_name text not null,
  change jsonb not null,
  constraint event_pkey PRIMARY KEY (id)
);

create table external_port (
  cluster_id uuid not null,
  protocol text not null,
  port integer not null,
  application_id uuid not null,
  constraint external_port_pkey PRIMARY KEY (cluster_id, protocol, port)
);

create table instance_address (
  environment_id uuid not null,
  address inet not null,
  instance text not null,
  released_version bigint,
  constraint instance_address_pkey PRIMARY KEY (environment_id, address)
);

create table instance_record (
  organization_id uuid not null,
  application_id uuid not null,
  instance text not null,
  removed_at timestamp with time zone not null default now(),
  lines text not null,
  exit jsonb,
  constraint instance_record_pkey PRIMARY KEY (application_id, instance)
);

create table inventory (
  cluster_id uuid not null,
  organization_id uuid not null,
  application_id uuid not null,
  kind text not null,
  namespace text not null,
  name text not null,
  mark text not null,
  uid text,
  fingerprint text,
  version text not null,
  constraint inventory_organization_id_application_id_fkey FOREIGN KEY (organization_id, application_id) REFERENCES application(organization_id, id),
  constraint inventory_organization_id_cluster_id_fkey FOREIGN KEY (organization_id, cluster_id) REFERENCES cluster(organization_id, id),
  constraint inventory_pkey PRIMARY KEY (application_id, kind, namespace, name)
);

create table key_check (
  id integer not null,
  sealed bytea not null,
  constraint key_check_id_check CHECK ((id = 1)),
  constraint key_check_pkey PRIMARY KEY (id)
);

create table kysely_migration (
  name character varying(255) not null,
  timestamp character varying(255) not null,
  constraint kysely_migration_pkey PRIMARY KEY (name)
);

create table kysely_migration_lock (
  id character varying(255) not null,
  is_locked integer not null default 0,
  constraint kysely_migration_lock_pkey PRIMARY KEY (id)
);

create table membership (
  account_id uuid not null,
  organization_id uuid not null,
  role text not null,
  constraint membership_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id),
  constraint membership_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint membership_pkey PRIMARY KEY (account_id, organization_id)
);

create table observation (
  application_id uuid not null,
  organization_id uuid not null,
  cluster_id uuid not null,
  at timestamp with time zone not null,
  value jsonb not null,
  constraint observation_pkey PRIMARY KEY (application_id)
);

create table organization (
  id uuid not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  name text not null,
  description text not null,
  owner_id uuid not null,
  contract_extras jsonb not null default '{}'::jsonb,
  constraint organization_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account(id),
  constraint organization_pkey PRIMARY KEY (id)
);

create table project (
  id uuid not null,
  organization_id uuid not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  name text not null,
  description text not null,
  constraint project_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint project_organization_id_id_key UNIQUE (organization_id, id),
  constraint project_pkey PRIMARY KEY (id)
);

create table registry (
  id uuid not null,
  organization_id uuid not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  name text not null,
  kind text not null,
  url text not null,
  description text not null,
  config jsonb not null default '{}'::jsonb,
  constraint registry_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint registry_organization_id_id_key UNIQUE (organization_id, id),
  constraint registry_pkey PRIMARY KEY (id)
);

create table release (
  id uuid not null,
  organization_id uuid not null,
  application_id uuid not null,
  revision integer not null,
  digest text not null,
  spec_version integer not null,
  spec jsonb not null,
  image jsonb not null,
  variables jsonb not null,
  commit jsonb,
  created_at timestamp with time zone not null default now(),
  constraint release_application_id_revision_key UNIQUE (application_id, revision),
  constraint release_organization_id_application_id_fkey FOREIGN KEY (organization_id, application_id) REFERENCES application(organization_id, id),
  constraint release_pkey PRIMARY KEY (id)
);

create table repository (
  id uuid not null,
  organization_id uuid not null,
  environment_id uuid not null,
  name text not null,
  node text not null,
  created_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  constraint repository_organization_id_environment_id_fkey FOREIGN KEY (organization_id, environment_id) REFERENCES environment(organization_id, id),
  constraint repository_organization_id_id_key UNIQUE (organization_id, id),
  constraint repository_pkey PRIMARY KEY (id)
);

create table route (
  application_id uuid not null,
  organization_id uuid not null,
  cluster_id uuid not null,
  targets jsonb not null,
  ports jsonb not null,
  version bigint not null,
  constraint route_pkey PRIMARY KEY (application_id)
);

create table secret_value (
  id uuid not null,
  version integer not null,
  organization_id uuid not null,
  sealed bytea not null,
  fingerprint bytea not null,
  created_at timestamp with time zone not null default now(),
  constraint secret_value_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint secret_value_pkey PRIMARY KEY (id, version)
);

create table stage (
  id uuid not null,
  organization_id uuid not null,
  environment_id uuid not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  name text not null,
  description text not null,
  position integer not null,
  constraint stage_organization_id_environment_id_fkey FOREIGN KEY (organization_id, environment_id) REFERENCES environment(organization_id, id),
  constraint stage_organization_id_id_key UNIQUE (organization_id, id),
  constraint stage_pkey PRIMARY KEY (id)
);

create table token (
  id uuid not null,
  account_id uuid not null,
  organization_id uuid,
  name text not null,
  description text not null,
  role text not null,
  hash bytea not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  last_used_at timestamp with time zone,
  deleted_at timestamp with time zone,
  constraint token_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id),
  constraint token_hash_key UNIQUE (hash),
  constraint token_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint token_pkey PRIMARY KEY (id)
);

create table variable (
  id uuid not null,
  organization_id uuid not null,
  scope text not null,
  parent_id uuid not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  key text not null,
  value text,
  secret_id uuid,
  secret_version integer,
  description text not null,
  constraint variable_check CHECK (((value IS NULL) <> (secret_id IS NULL))),
  constraint variable_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization(id),
  constraint variable_parent_id_key_key UNIQUE (parent_id, key),
  constraint variable_pkey PRIMARY KEY (id),
  constraint variable_secret_id_secret_version_fkey FOREIGN KEY (secret_id, secret_version) REFERENCES secret_value(id, version)
);

CREATE UNIQUE INDEX application_name ON public.application USING btree (environment_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX cluster_name ON public.cluster USING btree (organization_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE INDEX deployment_part_application ON public.deployment_part USING btree (application_id);
CREATE INDEX deployment_queue ON public.deployment USING btree (cluster_id, created_at) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE UNIQUE INDEX deployment_running ON public.deployment USING btree (environment_id) WHERE (state = 'running'::text);
CREATE UNIQUE INDEX environment_name ON public.environment USING btree (project_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX environment_subnet ON public.environment USING btree (cluster_id, subnet) WHERE ((subnet IS NOT NULL) AND (deleted_at IS NULL));
CREATE INDEX event_organization ON public.event USING btree (organization_id, at);
CREATE UNIQUE INDEX instance_address_name ON public.instance_address USING btree (environment_id, instance);
CREATE UNIQUE INDEX organization_name ON public.organization USING btree (lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX project_name ON public.project USING btree (organization_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX registry_name ON public.registry USING btree (organization_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX repository_name ON public.repository USING btree (environment_id, lower(name)) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX stage_name ON public.stage USING btree (environment_id, lower(name));
