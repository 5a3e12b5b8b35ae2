-- A site is one public domain. At most one of them is the default: what belongs to no site is shown there.
CREATE TABLE sites (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain     text NOT NULL,
    name       text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sites_domain_lower CHECK (domain = lower(domain) AND domain <> ''),
    CONSTRAINT sites_domain_key UNIQUE (domain)
);

CREATE UNIQUE INDEX sites_one_default ON sites (is_default) WHERE is_default;
