-- refit: after = ["V0005"]
-- refit: phase = "contract"
-- Created by V0003 for the backfill; nothing else reads it.
DROP TABLE domain_sites;
