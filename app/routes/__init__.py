"""The routes of the service, one file a topic; `app.main` lists them."""
