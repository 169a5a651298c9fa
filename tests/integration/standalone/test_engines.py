import psycopg

from tests.engines import s3_client


def test_a_corner_is_empty(store_environment: dict[str, str]) -> None:
    with psycopg.connect(store_environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert s3_client(store_environment).list_objects_v2(Bucket=store_environment["TUNER_S3_BUCKET"])["KeyCount"] == 0
