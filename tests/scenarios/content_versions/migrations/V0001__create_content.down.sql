DROP TABLE content_versions, pages, posts, sites;
