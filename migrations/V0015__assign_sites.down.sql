-- What the backfill has overwritten comes back from its undo journal, before this runs; the column itself goes with V0013.
SELECT 1;
