DROP TABLE domain_sites;
