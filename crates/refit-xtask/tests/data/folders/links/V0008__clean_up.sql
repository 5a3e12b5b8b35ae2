-- Nothing has searched by address since the last release.
DROP INDEX users_email_idx;

/* A shorter name. */
ALTER INDEX comments_by_story RENAME TO comments_story_created;
ALTER TABLE stories_hotness RENAME TO stories_by_hotness;

DELETE FROM taggings WHERE tag_id IN (SELECT id FROM tags WHERE weight = 0);
