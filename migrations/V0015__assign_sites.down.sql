-- The earlier values are in the undo journal that refit.backfill names; the column itself goes with V0013.
SELECT 1;
