-- expect: flag
-- CREATE TRIGGER on live table
CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
