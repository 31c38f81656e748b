"""Makes Bugsink's database, user, team, project and token where missing; prints DSN and token as JSON.

Run by `server.py` with the Python of Bugsink's own environment.
"""

import json
import sys

import django
from django.core.management import call_command

django.setup()

from bsmain.models import AuthToken  # noqa: E402  (models exist only after setup)
from django.contrib.auth import get_user_model  # noqa: E402
from projects.models import Project, ProjectMembership, ProjectRole  # noqa: E402
from teams.models import Team, TeamMembership, TeamRole  # noqa: E402


def main() -> None:
    """Print one line of JSON with the keys `dsn`, `token` and `project`."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("migrate", database="snappea", verbosity=0, interactive=False)
    user = get_user_model().objects.first() or get_user_model().objects.create_superuser("developer")
    team, _ = Team.objects.get_or_create(name="StreamAPI")
    project, _ = Project.objects.get_or_create(slug="streamapi", defaults={"name": "StreamAPI", "team": team})
    TeamMembership.objects.get_or_create(
        team=team, user=user, defaults={"role": TeamRole.ADMIN, "accepted": True}
    )
    ProjectMembership.objects.get_or_create(
        project=project, user=user, defaults={"role": ProjectRole.ADMIN, "accepted": True}
    )
    token = AuthToken.objects.first() or AuthToken.create_full_access(description="StreamAPI")
    json.dump({"dsn": project.dsn, "token": token.token, "project": project.id}, sys.stdout)


main()
