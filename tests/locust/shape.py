# 10, then 100, then 20 users, as a person at the master's page would ask for them; then the test is over.
from locust import LoadTestShape


class Ramp(LoadTestShape):
    stages = ((5, 10), (12, 100), (18, 20))

    def tick(self):
        passed = self.get_run_time()
        for end, users in self.stages:
            if passed < end:
                return users, 100
        return None
