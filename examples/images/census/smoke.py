"""Proves that the image can do what the census package needs: every package is there, and a small model learns."""

import pandas
import sklearn
import xgboost
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

features, labels = make_classification(n_samples=600, n_features=8, random_state=1)
train_x, test_x, train_y, test_y = train_test_split(pandas.DataFrame(features), labels, random_state=1)
model = xgboost.XGBClassifier(n_estimators=20, n_jobs=1).fit(train_x, train_y)
accuracy = model.score(test_x, test_y)
print(f"pandas {pandas.__version__}, scikit-learn {sklearn.__version__}, xgboost {xgboost.__version__}: {accuracy:.3f}")
if accuracy < 0.8:
    raise SystemExit(f"a model of nearly separable data should be right in 4 of 5 cases; this one is in {accuracy:.3f}")
